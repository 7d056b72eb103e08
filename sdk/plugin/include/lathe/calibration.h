/* lathe/calibration.h - how pictures become a model's input, and the data a quantising compiler measures ranges with.
 *
 * Both belong to the compile request (backend.h). Calibration data were read, checked and fitted by the host already: a backend writes
 * them in the form its tool wants and nothing else.
 */
#ifndef LATHE_CALIBRATION_H
#define LATHE_CALIBRATION_H
#include "plugin.h"
#ifdef __cplusplus
extern "C" {
#endif

enum { LATHE_FIT_STRETCH = 0, LATHE_FIT_LETTERBOX = 1, LATHE_FIT_CROP = 2 };

/* From a picture to the model's picture-like input: fitted to width x height, channels in `bgr` order or RGB, then, per channel c of the
 * model's own order, value = (pixel - mean[c]) * scale[c], pixel 0..255. */
typedef struct lathe_preprocessing {
  uint32_t struct_size;
  uint32_t input; /* which of the graph's inputs (constants not counted) */
  int64_t width, height, channels;
  int32_t fit;           /* LATHE_FIT_... */
  int32_t bgr;           /* non-zero: blue first */
  int32_t channels_last; /* non-zero: the graph's input is N x H x W x C, else N x C x H x W */
  int32_t padding;       /* LATHE_FIT_LETTERBOX: the value, 0..255, around the picture */
  float mean[4], scale[4];
} lathe_preprocessing;

/* Samples are numbered from 0 to count - 1. Functions may be called from several threads at once; each reads its file anew. */
typedef struct lathe_calibration {
  uint32_t struct_size;
  uint32_t reserved;
  void* context;
  size_t count;
  /* One item of the graph's input `input` as the graph takes it: its layout, its element type, batch 1; `size` is the bytes of that. */
  lathe_code (*read)(void* context, size_t sample, size_t input, void* bytes, size_t size);
  /* The fitted picture before mean and scale: height x width x channels bytes in the order preprocessing->bgr says. NULL when the data are no
   * pictures. */
  lathe_code (*read_picture)(void* context, size_t sample, void* bytes, size_t size);
  /* Absolute path of the file a sample came from. */
  lathe_string (*source)(void* context, size_t sample);
} lathe_calibration;

#ifdef __cplusplus
}
#endif
#endif
