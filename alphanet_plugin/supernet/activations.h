/* What depthwise.c and norm_act.c share: activations and their slopes, and the words of their loops. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define PARALLEL _Pragma("omp parallel for schedule(static) num_threads(threads)")
#define SIMD _Pragma("omp simd")
#define ACTIVATIONS(DO) DO(none) DO(silu) DO(relu) DO(relu6) DO(hard_swish)

INLINE float clamp(float x, float low, float high) { return x < low ? low : x > high ? high : x; }

/* e^x within 2 ulp for |x| up to 80: 2^n e^r, n the whole number next to x / log 2, e^r by a polynomial that is fitted to
   it. Beyond that n is held to what a float's exponent takes, which for sigmoids is enough while |x| < 10^11. */
INLINE float exponential(float x) {
    const float shift = 12582912.0f + 127.0f; /* 1.5 2^23: the last bits of what is added to it are n + 127 */
    union { float value; int32_t bits; } sum = {x * 1.44269504f + shift}, scale;
    float n = sum.value - shift, r = (x - n * 0.693359375f) + n * 2.12194440e-4f, p = 8.2902722061e-03f;
    p = p * r + 4.1898161173e-02f;
    p = p * r + 1.6667638719e-01f;
    p = p * r + 4.9999147654e-01f;
    p = p * r + 9.9999970198e-01f;
    p = p * r + 1.0f;
    int32_t bits = sum.bits;
    bits = bits < 0x4B400001 ? 0x4B400001 : bits;
    bits = bits > 0x4B4000FE ? 0x4B4000FE : bits;
    scale.bits = (int32_t)((uint32_t)bits << 23);
    return p * scale.value;
}
INLINE float sigmoid(float z) { return 1.0f / (1.0f + exponential(-z)); }

/* Where torch chooses a side of a kink, the same one. */
INLINE float value_none(float z) { return z; }
INLINE float slope_none(float z) { return 1.0f + 0.0f * z; }
INLINE float value_silu(float z) { return z * sigmoid(z); }
INLINE float slope_silu(float z) { float s = sigmoid(z), y = z * s; return s + (y - y * s); }
INLINE float value_relu(float z) { return z < 0.0f ? 0.0f : z; }
INLINE float slope_relu(float z) { return z <= 0.0f ? 0.0f : 1.0f; }
INLINE float value_relu6(float z) { return clamp(z, 0.0f, 6.0f); }
INLINE float slope_relu6(float z) { return z <= 0.0f || z >= 6.0f ? 0.0f : 1.0f; }
INLINE float value_hard_swish(float z) { return z * clamp(z + 3.0f, 0.0f, 6.0f) * (1.0f / 6.0f); }
INLINE float slope_hard_swish(float z) { return z <= -3.0f ? 0.0f : z < 3.0f ? z * (1.0f / 3.0f) + 0.5f : 1.0f; }
