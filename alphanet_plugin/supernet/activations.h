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

/* e^x within 2 ulp for |x| up to 80, and beyond that as there, by Cephes' polynomial, of operations that compilers
   vectorise. Compilers compare floats for a clamp where integers have an operation of their own. */
INLINE float exponential(float x) {
    union { float value; int32_t bits; } in = {x}, scale;
    int32_t size = in.bits & INT32_MAX, most = 0x42A00000; /* 80.0f */
    in.bits = (size < most ? size : most) | (in.bits & INT32_MIN);
    float n = rintf(in.value * 1.44269504f);
    float r = (in.value - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    scale.bits = ((int32_t)n + 127) << 23;
    return (p * r * r + r + 1.0f) * scale.value;
}
INLINE float sigmoid(float z) { return 1.0f / (1.0f + exponential(-z)); }

/* Where torch chooses a side of a kink, the same one. */
INLINE float value_none(float z) { return z; }
INLINE float slope_none(float z) { return 1.0f + 0.0f * z; }
INLINE float value_silu(float z) { return z * sigmoid(z); }
INLINE float slope_silu(float z) { float s = sigmoid(z); return s * (1.0f + z * (1.0f - s)); }
INLINE float value_relu(float z) { return z < 0.0f ? 0.0f : z; }
INLINE float slope_relu(float z) { return z <= 0.0f ? 0.0f : 1.0f; }
INLINE float value_relu6(float z) { return clamp(z, 0.0f, 6.0f); }
INLINE float slope_relu6(float z) { return z <= 0.0f || z >= 6.0f ? 0.0f : 1.0f; }
INLINE float value_hard_swish(float z) { return z * clamp(z + 3.0f, 0.0f, 6.0f) * (1.0f / 6.0f); }
INLINE float slope_hard_swish(float z) { return z <= -3.0f ? 0.0f : z < 3.0f ? z * (1.0f / 3.0f) + 0.5f : 1.0f; }
