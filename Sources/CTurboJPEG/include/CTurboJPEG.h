#ifndef CTURBOJPEG_H
#define CTURBOJPEG_H

// The five functions of libjpeg-turbo's TurboJPEG API (2.x and 3.x) that a decoder needs, found at run time. The API
// reports errors by return values; libjpeg's own would longjmp through its caller.

typedef void *inkflow_tjhandle;

typedef struct {
  inkflow_tjhandle _Nullable (*_Nonnull tjInitDecompress)(void);
  int (*_Nonnull tjDecompressHeader3)(
      inkflow_tjhandle _Nonnull, const unsigned char *_Nonnull bytes, unsigned long size, int *_Nonnull width,
      int *_Nonnull height, int *_Nonnull subsampling, int *_Nonnull colourSpace);
  int (*_Nonnull tjDecompress2)(
      inkflow_tjhandle _Nonnull, const unsigned char *_Nonnull bytes, unsigned long size,
      unsigned char *_Nonnull pixels, int width, int pitch, int height, int pixelFormat, int flags);
  int (*_Nonnull tjDestroy)(inkflow_tjhandle _Nonnull);
  char *_Nonnull (*_Nonnull tjGetErrorStr2)(inkflow_tjhandle _Nullable);
} inkflow_turbojpeg;

enum {
  /// Three bytes a pixel: red, green, blue.
  INKFLOW_TJPF_RGB = 0,
  /// Four bytes a pixel, the only ones for colours of inks.
  INKFLOW_TJPF_CMYK = 11,
  INKFLOW_TJCS_CMYK = 3,
  INKFLOW_TJCS_YCCK = 4,
  /// Fails on more than 500 scans, by which a small progressive file could keep a decoder busy for hours.
  INKFLOW_TJFLAG_LIMITSCANS = 32768,
};

/// The functions of the shared library `name`, which stays loaded; null if it is missing or lacks one of them.
const inkflow_turbojpeg *_Nullable inkflow_open_turbojpeg(const char *_Nonnull name);

#endif
