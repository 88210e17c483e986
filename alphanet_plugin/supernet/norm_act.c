/* Training's BatchNorm with the activation after it, over rows of channels: what channels_last images are in memory;
   and the gradients of a product with one factor for an image and channel.

   y = act(w * (x - mean) / sqrt(var + eps) + b), mean and var over the rows. Joined, each pass over memory does for two
   operations, and backwards need x alone. Rows are summed in float a chunk at a time and chunks in double, in an order
   that does not depend on the number of threads. Built and called by compiled.py; norm_act.py and prefix_linear.py say
   what is passed. */
#include "activations.h"

#define CHUNK 128
#define EACH(j) for (int64_t j = 0; j < c; j++)

INLINE int64_t end_of(int64_t chunk, int64_t n) { return (chunk + 1) * CHUNK < n ? (chunk + 1) * CHUNK : n; }

/* Sums of all chunks' two rows of sums: (2, c). */
static void add_chunks(const float *sums, double *total, int64_t chunks, int64_t c) {
    for (int64_t j = 0; j < 2 * c; j++) total[j] = 0.0;
    for (int64_t k = 0; k < chunks; k++)
        for (int64_t j = 0; j < 2 * c; j++) total[j] += sums[2 * k * c + j];
}

/* Room for the sums of all, and the chunks'; NULL if there is none. */
static double *make_room(int64_t chunks, int64_t c) {
    return malloc(2 * c * sizeof(double) + 2 * chunks * c * sizeof(float));
}

/* Of a norm, by the mean and biased variance over the rows, moments (2, c): terms (4, c), those, and the a and o of
   w (x - mean) / sqrt(var + eps) + b = a x + o. */
int terms_of_moments(const double *restrict moments, const float *restrict w, const float *restrict b, double eps,
                     float *restrict terms, int64_t c, int threads) {
    (void)threads;
    EACH(j) {
        double mean = moments[j], var = moments[c + j] < 0.0 ? 0.0 : moments[c + j], slope = w[j] / sqrt(var + eps);
        terms[j] = (float)mean, terms[c + j] = (float)var;
        terms[2 * c + j] = (float)slope, terms[3 * c + j] = (float)(b[j] - mean * slope);
    }
    return 0;
}

int norm_terms(const float *restrict x, const float *restrict w, const float *restrict b, double eps,
               float *restrict terms, int64_t n, int64_t c, int threads) {
    int64_t chunks = (n + CHUNK - 1) / CHUNK;
    double *restrict total = make_room(chunks, c);
    if (!total) return 1;
    float *restrict sums = (float *)(total + 2 * c);
    PARALLEL for (int64_t k = 0; k < chunks; k++) {
        float *restrict s = sums + 2 * k * c, *restrict q = s + c;
        EACH(j) s[j] = q[j] = 0.0f;
        for (int64_t i = k * CHUNK; i < end_of(k, n); i++) {
            const float *restrict xi = x + i * c;
            SIMD EACH(j) { float d = xi[j] - x[j]; s[j] += d; q[j] += d * d; } /* from the first row: no cancellation */
        }
    }
    add_chunks(sums, total, chunks, c);
    EACH(j) {
        double m = total[j] / n;
        total[j] = x[j] + m, total[c + j] = total[c + j] / n - m * m;
    }
    terms_of_moments(total, w, b, eps, terms, c, threads);
    free(total);
    return 0;
}

/* If there is room for them, means (n / pixels, c) of each image's activations. */
#define FORWARD(ACT)                                                                                                   \
int forward_##ACT(const float *restrict x, const float *restrict terms, float *restrict y, float *restrict means,      \
                  int64_t n, int64_t pixels, int64_t c, int threads) {                                                 \
    const float *restrict a = terms + 2 * c, *restrict o = a + c;                                                      \
    if (!means) {                                                                                                      \
        PARALLEL for (int64_t k = 0; k < (n + CHUNK - 1) / CHUNK; k++)                                                 \
            for (int64_t i = k * CHUNK; i < end_of(k, n); i++) {                                                       \
                const float *restrict xi = x + i * c;                                                                  \
                float *restrict yi = y + i * c;                                                                        \
                SIMD EACH(j) yi[j] = value_##ACT(xi[j] * a[j] + o[j]);                                                 \
            }                                                                                                          \
        return 0;                                                                                                      \
    }                                                                                                                  \
    float *room = malloc(n / pixels * c * sizeof(float));                                                              \
    if (!room) return 1;                                                                                               \
    PARALLEL for (int64_t k = 0; k < n / pixels; k++) {                                                                \
        float *restrict sum = room + k * c, *restrict mean = means + k * c;                                            \
        EACH(j) mean[j] = 0.0f;                                                                                        \
        for (int64_t first = 0; first < pixels; first += CHUNK) {                                                      \
            EACH(j) sum[j] = 0.0f;                                                                                     \
            for (int64_t i = first; i < first + CHUNK && i < pixels; i++) {                                            \
                const float *restrict xi = x + (k * pixels + i) * c;                                                   \
                float *restrict yi = y + (k * pixels + i) * c;                                                         \
                SIMD EACH(j) {                                                                                         \
                    float v = value_##ACT(xi[j] * a[j] + o[j]);                                                        \
                    yi[j] = v, sum[j] += v;                                                                            \
                }                                                                                                      \
            }                                                                                                          \
            EACH(j) mean[j] += sum[j];                                                                                 \
        }                                                                                                              \
        EACH(j) mean[j] /= (float)pixels;                                                                              \
    }                                                                                                                  \
    free(room);                                                                                                        \
    return 0;                                                                                                          \
}

/* By sums (2, c) of d, the gradient of a x + o, and of d (x - mean) over n rows: the gradients of w and b, and factors
   (4, c), the f of x's gradient f0 d + f1 (x - mean) + f2; f3 is the mean. */
int gradient_factors(const double *restrict sums, const float *restrict terms, double eps, float *restrict factors,
                     float *restrict dw, float *restrict db, int64_t n, int64_t c, int threads) {
    (void)threads;
    EACH(j) {
        double rate = 1.0 / sqrt(terms[c + j] + eps), slope = sums[c + j] * rate, a = terms[2 * c + j];
        db[j] = (float)sums[j], dw[j] = (float)slope;
        factors[j] = (float)a, factors[c + j] = (float)(-slope * rate / n * a);
        factors[2 * c + j] = (float)(-sums[j] / n * a), factors[3 * c + j] = terms[j];
    }
    return 0;
}

/* d becomes the gradient of x. */
int norm_gradient(const float *restrict factors, const float *restrict x, float *restrict d, int64_t n, int64_t c,
                  int threads) {
    const float *restrict f = factors;
    PARALLEL for (int64_t k = 0; k < (n + CHUNK - 1) / CHUNK; k++)
        for (int64_t i = k * CHUNK; i < end_of(k, n); i++) {
            const float *restrict xi = x + i * c;
            float *restrict di = d + i * c;
            SIMD EACH(j) di[j] = f[j] * di[j] + f[c + j] * (xi[j] - f[3 * c + j]) + f[2 * c + j];
        }
    return 0;
}

/* By g, the activations' gradient, and of_means (n / pixels, c), that of their means, or NULL: dx (n, c) and total
   (2, c), the d and sums of above. */
#define BACKWARD(ACT)                                                                                                  \
int backward_##ACT(const float *restrict g, const float *restrict of_means, const float *restrict x,                   \
                   const float *restrict terms, float *restrict dx, double *restrict total, int64_t n, int64_t pixels, \
                   int64_t c, int threads) {                                                                           \
    int64_t chunks = (n + CHUNK - 1) / CHUNK;                                                                          \
    const float *restrict mean = terms, *restrict a = mean + 2 * c, *restrict o = a + c;                               \
    float *restrict sums = malloc((2 * chunks + 1) * c * sizeof(float)), *restrict none = sums + 2 * chunks * c;       \
    if (!sums) return 1;                                                                                               \
    EACH(j) none[j] = 0.0f;                                                                                            \
    float part = 1.0f / (float)pixels;                                                                                 \
    PARALLEL for (int64_t k = 0; k < chunks; k++) {                                                                    \
        float *restrict s = sums + 2 * k * c, *restrict q = s + c;                                                     \
        EACH(j) s[j] = q[j] = 0.0f;                                                                                    \
        int64_t i = k * CHUNK, end = end_of(k, n);                                                                     \
        for (; i + 1 < end; i += 2) { /* two rows at a time: half the traffic of the sums */                           \
            const float *restrict xi = x + i * c, *restrict gi = g + i * c;                                            \
            const float *restrict m = of_means ? of_means + i / pixels * c : none;                                     \
            const float *restrict r = of_means ? of_means + (i + 1) / pixels * c : none;                               \
            float *restrict di = dx + i * c;                                                                           \
            SIMD EACH(j) {                                                                                             \
                float d = (gi[j] + part * m[j]) * slope_##ACT(xi[j] * a[j] + o[j]);                                    \
                float e = (gi[c + j] + part * r[j]) * slope_##ACT(xi[c + j] * a[j] + o[j]);                            \
                di[j] = d, di[c + j] = e;                                                                              \
                s[j] += d + e, q[j] += d * (xi[j] - mean[j]) + e * (xi[c + j] - mean[j]);                              \
            }                                                                                                          \
        }                                                                                                              \
        if (i < end) {                                                                                                 \
            const float *restrict xi = x + i * c, *restrict gi = g + i * c;                                            \
            const float *restrict m = of_means ? of_means + i / pixels * c : none;                                     \
            float *restrict di = dx + i * c;                                                                           \
            SIMD EACH(j) {                                                                                             \
                float d = (gi[j] + part * m[j]) * slope_##ACT(xi[j] * a[j] + o[j]);                                    \
                di[j] = d, s[j] += d, q[j] += d * (xi[j] - mean[j]);                                                   \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    add_chunks(sums, total, chunks, c);                                                                                \
    free(sums);                                                                                                        \
    return 0;                                                                                                          \
}

#define BOTH(ACT) FORWARD(ACT) BACKWARD(ACT)
ACTIVATIONS(BOTH)

/* g (n, pixels, c), the gradient of x * gate, becomes that of x; gate and its gradient out are (n, c). */
int gate_gradient(float *restrict g, const float *restrict x, const float *restrict gate, float *restrict out,
                  int64_t n, int64_t pixels, int64_t c, int threads) {
    float *sums = malloc(n * c * sizeof(float)); /* of a chunk, for each image */
    if (!sums) return 1;
    PARALLEL for (int64_t k = 0; k < n; k++) {
        float *restrict sum = sums + k * c, *restrict total = out + k * c;
        const float *restrict factor = gate + k * c;
        EACH(j) total[j] = 0.0f;
        for (int64_t first = 0; first < pixels; first += CHUNK) {
            EACH(j) sum[j] = 0.0f;
            for (int64_t i = first; i < first + CHUNK && i < pixels; i++) {
                float *restrict gi = g + (k * pixels + i) * c;
                const float *restrict xi = x + (k * pixels + i) * c;
                SIMD EACH(j) sum[j] += gi[j] * xi[j], gi[j] *= factor[j];
            }
            EACH(j) total[j] += sum[j];
        }
    }
    free(sums);
    return 0;
}
