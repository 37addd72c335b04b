#!/bin/sh
# Downloads data sets by name into the directory of this script, one folder each:
#
#   [MIRROR=URL] datasets/fetch.sh mnist fashion-mnist
#
# Files arrive as NAME/FILE.part and take their name only when their SHA-256 is right. Sound files that are
# already there are kept. MIRROR replaces the built-in sources; it holds NAME/FILE or FILE, and may be a
# file:///... URL. Exit status: 64 wrong usage, 66 a file could not be had, 73 can't write here.
set -u

files='train-images-idx3-ubyte.gz train-labels-idx1-ubyte.gz t10k-images-idx3-ubyte.gz t10k-labels-idx1-ubyte.gz'
here=$(cd "$(dirname "$0")" && pwd) || exit 73

note() { printf '%s\n' "$*" >&2; }

sources() { # NAME: the URLs of the folders that hold its files
  case $1 in
    mnist) echo 'https://ossci-datasets.s3.amazonaws.com/mnist https://storage.googleapis.com/cvdf-datasets/mnist' ;;
    fashion-mnist) echo 'https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion' ;;
    kmnist) echo 'https://codh.rois.ac.jp/kmnist/dataset/kmnist' ;;
    *) return 1 ;;
  esac
}

licence() { # NAME
  case $1 in
    mnist) echo 'MNIST: (c) Yann LeCun and Corinna Cortes; CC BY-SA 3.0 licence.' ;;
    fashion-mnist) echo 'Fashion-MNIST: (c) 2017 Zalando SE, https://tech.zalando.com; MIT licence.' ;;
    kmnist) echo 'KMNIST: created by CODH, adapted from the Kuzushiji Dataset (created by NIJL and others), doi:10.20676/00000341; CC BY-SA 4.0 licence.' ;;
  esac
}

expected_sum() { # NAME/FILE
  case $1 in
    mnist/train-images-*) echo 440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609 ;;
    mnist/train-labels-*) echo 3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c ;;
    mnist/t10k-images-*) echo 8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6 ;;
    mnist/t10k-labels-*) echo f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6 ;;
    fashion-mnist/train-images-*) echo 3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84 ;;
    fashion-mnist/train-labels-*) echo a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845 ;;
    fashion-mnist/t10k-images-*) echo 346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073 ;;
    fashion-mnist/t10k-labels-*) echo 67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5 ;;
    kmnist/train-images-*) echo 51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4 ;;
    kmnist/train-labels-*) echo e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17 ;;
    kmnist/t10k-images-*) echo edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5 ;;
    kmnist/t10k-labels-*) echo 20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c ;;
  esac
}

if command -v sha256sum >/dev/null; then
  actual_sum() { sha256sum <"$1" | cut -c 1-64; }
elif command -v shasum >/dev/null; then
  actual_sum() { shasum -a 256 <"$1" | cut -c 1-64; }
else
  note 'fetch.sh: no file can be checked; install sha256sum (coreutils) or shasum (perl)'
  exit 66
fi

download() { # URL PATH
  case $1 in
    # Not cp, which would keep the mode of a write-protected mirror.
    file://*) cat -- "${1#file://}" >"$2" ;;
    *)
      if command -v curl >/dev/null; then
        curl --fail --location --silent --show-error --connect-timeout 20 --retry 2 --output "$2" "$1"
      elif command -v wget >/dev/null; then
        wget --quiet --timeout=20 --tries=3 --output-document="$2" "$1"
      else
        note 'fetch.sh: install curl or wget to download'
        return 1
      fi
      ;;
  esac
}

fetch() { # NAME FILE: succeeds once a sound NAME/FILE is in place
  target=$1/$2
  sum=$(expected_sum "$target")
  if [ -f "$target" ]; then
    [ "$(actual_sum "$target")" = "$sum" ] && { note "$target: present and sound"; return 0; }
    note "$target: present, but its SHA-256 is wrong; fetching it again"
  fi
  part=$target.part
  if [ -n "${MIRROR:-}" ]; then
    set -- "${MIRROR%/}/$target" "${MIRROR%/}/$2"
  else
    file=$2
    # Split at spaces: the URLs hold none.
    set -- $(sources "$1")
    for source; do
      shift
      set -- "$@" "$source/$file"
    done
  fi
  for url; do
    note "$target: from $url"
    rm -f -- "$part"
    download "$url" "$part" || continue
    found=$(actual_sum "$part")
    if [ "$found" = "$sum" ]; then
      mv -f -- "$part" "$target" && return 0
      note "fetch.sh: can't write $here/$target"
      exit 73
    fi
    note "$target: refused, its SHA-256 is $found instead of $sum"
  done
  return 1
}

if [ $# -eq 0 ]; then
  note 'usage: [MIRROR=URL] datasets/fetch.sh mnist|fashion-mnist|kmnist ...'
  exit 64
fi
for name in "$@"; do
  sources "$name" >/dev/null || { note "fetch.sh: unknown data set '$name'; known: mnist, fashion-mnist, kmnist"; exit 64; }
done

part=
trap '[ -z "$part" ] || rm -f -- "$part"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cd "$here" || exit 73
for name in "$@"; do
  mkdir -p "$name" || exit 73
  for file in $files; do
    fetch "$name" "$file" && continue
    note "
fetch.sh: $name/$file could not be had. How to go on:
  - train on the built-in data, which needs no download:  make train DATASET=synthetic
  - name another source that holds $name/$file or $file:
      make datasets MIRROR=https://...   or   MIRROR=file:///...
  - or put the files into a directory yourself:           make train DATASET=DIRECTORY"
    exit 66
  done
  licence "$name"
done
