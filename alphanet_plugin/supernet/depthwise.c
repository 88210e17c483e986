/* The gradient of a depthwise convolution's kernels, 3x3, 5x5 or 7x7, padded "same", at any stride.

   x is (n, h, w, c), the output's gradient g (n, ho, wo, c), the kernels' out (k, k, c): channels_last images as they lie
   in memory. Sums do not depend on the number of threads. Called by depthwise.py, built by compiled.py. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define PARTS 8 /* of the images, each summed by itself */
#define ROWS 8  /* of the output at a time, so that the kernel's next row finds them in the cache */

#ifdef __AVX512F__
typedef float vector16 __attribute__((vector_size(64), aligned(4), may_alias));
#endif
typedef float vector8 __attribute__((vector_size(32), aligned(4), may_alias));
typedef float vector1 __attribute__((may_alias));

typedef struct { int64_t n, h, w, ho, wo, c, stride; } shape;

/* Add to sums (k, k, c), for as many channels as M vectors have, what the images first..last bring. */
#define KERNEL_SUMS(K, V, M)                                                                                           \
INLINE void sums_##K##_##V##_##M(const float *g, const float *x, float *sums, shape s, int64_t first, int64_t last) {  \
    const int64_t lanes = sizeof(V) / sizeof(float);                                                                   \
    for (int64_t n = first; n < last; n++)                                                                             \
        for (int64_t tile = 0; tile < (s.ho + ROWS - 1) / ROWS * K; tile++) {                                          \
            int64_t ky = tile % K, top = tile / K * ROWS, end = top + ROWS < s.ho ? top + ROWS : s.ho;                 \
            V sum[K * M], there[M];                                                                                    \
            for (int k = 0; k < K * M; k++) sum[k] = (V){0};                                                           \
            for (int64_t oy = top; oy < end; oy++) {                                                                   \
                int64_t iy = oy * s.stride + ky - K / 2;                                                               \
                if (iy < 0 || iy >= s.h) continue;                                                                     \
                const float *row = x + (n * s.h + iy) * s.w * s.c, *grad = g + (n * s.ho + oy) * s.wo * s.c;           \
                for (int64_t ox = 0; ox < s.wo; ox++) {                                                                \
                    int64_t ix = ox * s.stride - K / 2;                                                                \
                    for (int m = 0; m < M; m++) there[m] = *(const V *)(grad + ox * s.c + m * lanes);                  \
                    if (ix >= 0 && ix + K <= s.w)                                                                      \
                        for (int k = 0; k < K * M; k++)                                                                \
                            sum[k] += there[k % M] * *(const V *)(row + (ix + k / M) * s.c + k % M * lanes);           \
                    else                                                                                               \
                        for (int k = 0; k < K * M; k++)                                                                \
                            if (ix + k / M >= 0 && ix + k / M < s.w)                                                   \
                                sum[k] += there[k % M] * *(const V *)(row + (ix + k / M) * s.c + k % M * lanes);       \
                }                                                                                                      \
            }                                                                                                          \
            for (int k = 0; k < K * M; k++) *(V *)(sums + (ky * K + k / M) * s.c + k % M * lanes) += sum[k];           \
        }                                                                                                              \
}

/* Sixteen channels are a line of the cache. Where vectors are shorter they are two: of one that the processor does not
   have, compilers keep the sums in memory. */
#ifdef __AVX512F__
#define SIXTEEN(K, ...) sums_##K##_vector16_1(__VA_ARGS__)
#define KERNEL_SUMS_16(K) KERNEL_SUMS(K, vector16, 1)
#else
#define SIXTEEN(K, ...) sums_##K##_vector8_2(__VA_ARGS__)
#define KERNEL_SUMS_16(K) KERNEL_SUMS(K, vector8, 2)
#endif

#define KERNEL_GRADIENT(K)                                                                                             \
KERNEL_SUMS_16(K)                                                                                                      \
KERNEL_SUMS(K, vector8, 1)                                                                                             \
KERNEL_SUMS(K, vector1, 1)                                                                                             \
int kernel_gradient_##K(const float *g, const float *x, float *out, int64_t n, int64_t h, int64_t w, int64_t ho,       \
                        int64_t wo, int64_t c, int64_t stride, int threads) {                                          \
    shape s = {n, h, w, ho, wo, c, stride};                                                                            \
    int64_t parts = n < PARTS ? n : PARTS, blocks = (c + 15) / 16, size = K * K * c;                                   \
    float *sums = calloc(parts * size, sizeof(float));                                                                 \
    if (!sums) return 1;                                                                                               \
    _Pragma("omp parallel for schedule(static) num_threads(threads)")                                                  \
    for (int64_t task = 0; task < parts * blocks; task++) {                                                            \
        int64_t part = task / blocks, j = task % blocks * 16, first = n * part / parts, last = n * (part + 1) / parts; \
        float *own = sums + part * size;                                                                               \
        if (j + 16 <= c) { SIXTEEN(K, g + j, x + j, own + j, s, first, last); continue; }                              \
        if (j + 8 <= c) { sums_##K##_vector8_1(g + j, x + j, own + j, s, first, last); j += 8; }                       \
        for (; j < c; j++) sums_##K##_vector1_1(g + j, x + j, own + j, s, first, last);                                \
    }                                                                                                                  \
    memcpy(out, sums, size * sizeof(float));                                                                           \
    for (int64_t part = 1; part < parts; part++)                                                                       \
        for (int64_t j = 0; j < size; j++) out[j] += sums[part * size + j];                                            \
    free(sums);                                                                                                        \
    return 0;                                                                                                          \
}
KERNEL_GRADIENT(3)
KERNEL_GRADIENT(5)
KERNEL_GRADIENT(7)
