#include "CTurboJPEG.h"

#include <dlfcn.h>
#include <stdlib.h>

// POSIX lets a function's address pass through void *, where ISO C has no conversion.
#define FIND(function) (*(void **)&functions->function = dlsym(library, #function))

const inkflow_turbojpeg *inkflow_open_turbojpeg(const char *name) {
  void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (!library) return NULL;
  inkflow_turbojpeg *functions = malloc(sizeof *functions);
  if (functions && FIND(tjInitDecompress) && FIND(tjDecompressHeader3) && FIND(tjDecompress2) &&
      FIND(tjDestroy) && FIND(tjGetErrorStr2))
    return functions;
  free(functions);
  dlclose(library);
  return NULL;
}
