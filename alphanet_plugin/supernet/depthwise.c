/* Depthwise convolutions, 3x3, 5x5 or 7x7, padded "same", at stride 1 or 2, of act(a x + o): what a BatchNorm and its
   activation make of x; and their gradients.

   x is (n, h, w, c), the output (n, ho, wo, c), kernels (k, k, c): channels_last images as they lie in memory. Nothing
   between the norm and the output is written to memory: a task takes a few blocks of channels, as many in a block as a
   vector has, of an image, from top to bottom, a band of rows at a time, and keeps the last rows of what it needs in
   rings that fit the cache. A block's rows are read and written a line of the cache for each pixel, which processors do
   not foresee; so those of the next block are asked for ahead. Sums do not depend on the number of threads.

   Built and called by compiled.py; depthwise.py says what is passed. */
#include "activations.h"

#if defined(__AVX512F__)
#define LANES 16
#define KERNEL_ROWS(K) (K > 3 ? 2 : K) /* of a kernel's gradient at a time: as many sums as there are registers */
#elif defined(__AVX__)
#define LANES 8
#define KERNEL_ROWS(K) (K > 5 ? 1 : K > 3 ? 2 : K)
#else
#define LANES 4
#define KERNEL_ROWS(K) (K > 5 ? 1 : K > 3 ? 2 : K)
#endif
#define WIDE 8   /* pixels at a time */
#define PARTS 8  /* of the images, each summed by itself */
#define BAND 2048          /* floats of a block's ring: a part of the first cache */
#define GROUP (256 * 1024) /* floats of a task's rings: a part of the second one */
#define UNROLL _Pragma("GCC unroll 64")

typedef float vector __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef struct { int64_t n, h, w, ho, wo, c, k, stride; } shape;
typedef void function(const float *const *rows, const float *taps, float *out, int64_t count);

#define AT(p) (*(vector *)(p))
#define IN(p) (*(const vector *)(p))

INLINE vector load(const float *p, int64_t m) { /* the first m channels */
    if (m == LANES) return IN(p);
    float v[LANES];
    SIMD for (int l = 0; l < LANES; l++) v[l] = l < m ? p[l] : 0.0f;
    return IN(v);
}
INLINE void store(float *p, vector v, int64_t m) {
    if (m == LANES) { AT(p) = v; return; }
    for (int l = 0; l < LANES; l++) if (l < m) p[l] = v[l];
}
INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
INLINE int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
INLINE int64_t round_up(int64_t a, int64_t b) { return (a + b - 1) / b * b; }

/* A row of activations, and of their slopes if there is room for them. terms: a and o. */
typedef void row_function(const float *x, const float *terms, int64_t w, int64_t c, int64_t m, int64_t ahead, float *y,
                          float *slope);
#define ROW(ACT)                                                                                                       \
INLINE void row_of_##ACT(const float *x, const float *terms, int64_t w, int64_t c, int64_t m, int64_t ahead,           \
                         float *restrict y, float *restrict slope, int sloped) {                                       \
    const float *restrict a = terms, *restrict o = terms + LANES;                                                      \
    for (int64_t i = 0; i < w; i++, x += c, y += LANES, slope += sloped ? LANES : 0) {                                 \
        vector v = load(x, m);                                                                                         \
        __builtin_prefetch(x + ahead, 0, 2);                                                                           \
        SIMD for (int l = 0; l < LANES; l++) {                                                                         \
            float z = v[l] * a[l] + o[l];                                                                              \
            y[l] = value_##ACT(z);                                                                                     \
            if (sloped) slope[l] = slope_##ACT(z);                                                                     \
        }                                                                                                              \
    }                                                                                                                  \
}                                                                                                                      \
static void row_##ACT(const float *x, const float *terms, int64_t w, int64_t c, int64_t m, int64_t ahead, float *y,    \
                      float *slope) {                                                                                  \
    if (m == LANES && slope) row_of_##ACT(x, terms, w, c, LANES, ahead, y, slope, 1);                                  \
    else if (m == LANES) row_of_##ACT(x, terms, w, c, LANES, ahead, y, NULL, 0);                                       \
    else if (slope) row_of_##ACT(x, terms, w, c, m, ahead, y, slope, 1);                                               \
    else row_of_##ACT(x, terms, w, c, m, ahead, y, NULL, 0);                                                           \
}
ACTIVATIONS(ROW)

/* out[i] = sum of rows[ky][i S + kx] taps[ky][kx], for count pixels and perhaps one more. */
#define CONVOLVE(K, S)                                                                                                 \
INLINE void convolve_some_##K##_##S(const float *const *rows, int64_t i, const float *taps, float *out,                \
                                    const int count) {                                                                 \
    vector sum[WIDE];                                                                                                  \
    UNROLL for (int p = 0; p < count; p++) sum[p] = (vector){0};                                                       \
    for (int ky = 0; ky < K; ky++) {                                                                                   \
        vector tap[K];                                                                                                 \
        UNROLL for (int k = 0; k < K; k++) tap[k] = IN(taps + (ky * K + k) * LANES);                                   \
        UNROLL for (int q = 0; q < (count - 1) * S + K; q++) {                                                         \
            vector v = IN(rows[ky] + (i * S + q) * LANES);                                                             \
            UNROLL for (int k = 0; k < K; k++)                                                                         \
                if (q >= k && (q - k) % S == 0 && (q - k) / S < count) sum[(q - k) / S] += tap[k] * v;                 \
        }                                                                                                              \
    }                                                                                                                  \
    UNROLL for (int p = 0; p < count; p++) AT(out + (i + p) * LANES) = sum[p];                                         \
}                                                                                                                      \
static void convolve_##K##_##S(const float *const *rows, const float *taps, float *out, int64_t count) {               \
    int64_t i = 0;                                                                                                     \
    for (; i + WIDE <= count; i += WIDE) convolve_some_##K##_##S(rows, i, taps, out, WIDE);                            \
    for (; i < count; i += 2) convolve_some_##K##_##S(rows, i, taps, out, 2);                                          \
}

/* Of stride 2, a row of the input's gradient, count pixels and some around them: out[2 i - K / 2] and the one after it
   = sum of rows[r][i - kx / 2] taps[2 r][kx] over r and the even and odd kx. The rows end with a NULL. */
#define SPREAD(K)                                                                                                      \
INLINE void spread_some_##K(const float *const *rows, int64_t i, const float *taps, float *out, const int pairs) {     \
    vector sum[WIDE];                                                                                                  \
    UNROLL for (int p = 0; p < 2 * pairs; p++) sum[p] = (vector){0};                                                   \
    for (int r = 0; rows[r]; r++) {                                                                                    \
        vector tap[K];                                                                                                 \
        UNROLL for (int k = 0; k < K; k++) tap[k] = IN(taps + (2 * r * K + k) * LANES);                                \
        UNROLL for (int q = 0; q < pairs + K / 2; q++) {                                                               \
            vector v = IN(rows[r] + (i - K / 2 + q) * LANES);                                                          \
            UNROLL for (int k = 0; k < K; k++) {                                                                       \
                int p = q - K / 2 + k / 2;                                                                             \
                if (p >= 0 && p < pairs) sum[2 * p + k % 2] += tap[k] * v;                                             \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    UNROLL for (int p = 0; p < 2 * pairs; p++) AT(out + (2 * i - K / 2 + p) * LANES) = sum[p];                         \
}                                                                                                                      \
static void spread_##K(const float *const *rows, const float *taps, float *out, int64_t count) {                       \
    int64_t i = K / 2 / 2, end = (count + K / 2 + 1) / 2;                                                              \
    for (; i + WIDE / 2 <= end; i += WIDE / 2) spread_some_##K(rows, i, taps, out, WIDE / 2);                          \
    for (; i < end; i++) spread_some_##K(rows, i, taps, out, 1);                                                       \
}

/* out[ky][kx] += sum of g[i] rows[ky][i S + kx] over count pixels, and one more where g must be 0. */
#define WEIGH(K, S)                                                                                                    \
INLINE void weigh_some_##K##_##S(const float *const *rows, const float *g, float *out, int64_t count, const int ks) {  \
    vector sum[KERNEL_ROWS(K) * K];                                                                                    \
    UNROLL for (int k = 0; k < ks * K; k++) sum[k] = (vector){0};                                                      \
    for (int64_t i = 0; i < count; i += 2) {                                                                           \
        vector here = IN(g + i * LANES), next = IN(g + (i + 1) * LANES);                                               \
        UNROLL for (int ky = 0; ky < ks; ky++)                                                                         \
            UNROLL for (int q = 0; q < S + K; q++) {                                                                   \
                vector v = IN(rows[ky] + (i * S + q) * LANES);                                                         \
                if (q < K) sum[ky * K + q] += here * v;                                                                \
                if (q >= S) sum[ky * K + q - S] += next * v;                                                           \
            }                                                                                                          \
    }                                                                                                                  \
    UNROLL for (int k = 0; k < ks * K; k++) AT(out + k * LANES) += sum[k];                                             \
}                                                                                                                      \
static void weigh_##K##_##S(const float *const *rows, const float *g, float *out, int64_t count) {                     \
    int ky = 0;                                                                                                        \
    for (; ky + KERNEL_ROWS(K) <= K; ky += KERNEL_ROWS(K))                                                             \
        weigh_some_##K##_##S(rows + ky, g, out + ky * K * LANES, count, KERNEL_ROWS(K));                               \
    if (ky < K) weigh_some_##K##_##S(rows + ky, g, out + ky * K * LANES, count, K % KERNEL_ROWS(K));                   \
}

#define SIZE(K) CONVOLVE(K, 1) CONVOLVE(K, 2) SPREAD(K) WEIGH(K, 1) WEIGH(K, 2)
SIZE(3) SIZE(5) SIZE(7)
#define OF_SIZE(k, NAME) ((k) == 3 ? NAME(3) : (k) == 5 ? NAME(5) : NAME(7))
#define CONVOLVE_1(K) convolve_##K##_1
#define CONVOLVE_2(K) convolve_##K##_2
#define SPREAD_2(K) spread_##K
#define WEIGH_1(K) weigh_##K##_1
#define WEIGH_2(K) weigh_##K##_2

/* How the work is cut up. In floats: a padded row of x, wide, and of the output, narrow; what is packed of a block of
   channels; a block's rings; all that a thread holds. In rows: a band of the output, and the rings. */
typedef struct {
    int64_t pad, taps, wide, narrow, blocks, packed, band, ring, g_ring, block, group, groups, thread;
} plan;

static plan make_plan(shape s, int wide_rings, int narrow_rings, int64_t parts, int threads) {
    plan p = {.pad = s.k / 2, .taps = s.k * s.k, .blocks = (s.c + LANES - 1) / LANES};
    p.wide = (round_up(s.w, 2) + 2 * p.pad + 2) * LANES, p.narrow = (round_up(s.wo, 2) + 2 * p.pad + 2) * LANES;
    p.packed = (7 + 2 * p.taps) * LANES;
    p.band = least(s.ho, most(1, (BAND / p.wide - s.k) / s.stride + 1));
    p.ring = (p.band - 1) * s.stride + s.k, p.g_ring = p.band + (s.k - 1) / s.stride;
    p.block = wide_rings * p.ring * p.wide + narrow_rings * p.g_ring * p.narrow;
    p.group = least(p.blocks, most(1, GROUP / p.block));
    while (p.group > 1 && parts * ((p.blocks + p.group - 1) / p.group) < threads) p.group = (p.group + 1) / 2;
    p.groups = (p.blocks + p.group - 1) / p.group;
    p.thread = round_up(p.group * p.block + 2 * p.wide + 4 * WIDE * LANES, 16); /* rings, zeros, a row that is found */
    return p;
}

/* Of each block: a, o and the mean, the kernel as it is and turned around, and room for four factors. */
static void pack(const float *terms, const float *taps, shape s, plan p, float *packed) {
    for (int64_t j = 0; j < p.blocks * LANES; j++) {
        float *to = packed + j / LANES * p.packed + j % LANES;
        int in = j < s.c;
        to[0] = in ? terms[2 * s.c + j] : 0.0f, to[LANES] = in ? terms[3 * s.c + j] : 0.0f;
        to[2 * LANES] = in ? terms[j] : 0.0f;
        for (int64_t k = 0; k < p.taps; k++)
            to[(3 + k) * LANES] = to[(2 + 2 * p.taps - k) * LANES] = in ? taps[k * s.c + j] : 0.0f;
    }
}

static float *make_room(int64_t floats) { return aligned_alloc(64, round_up(floats * sizeof(float), 64)); }

INLINE void prefetch_row(const float *row, int64_t count, int64_t c) {
    for (int64_t i = 0; i < count; i++) __builtin_prefetch(row + i * c, 0, 2);
}

/* moments: the mean and biased variance of the output (2, c). */
static int forward(const float *x, const float *terms, const float *taps, float *y, double *moments, shape s,
                   row_function *activate, int threads) {
    plan p = make_plan(s, 1, 0, s.n, threads);
    int64_t wide = p.blocks * LANES, image_size = 5 * wide; /* of each: sums in double, and where they are taken from */
    float *packed = make_room(p.blocks * p.packed + s.n * image_size + p.thread * threads);
    if (!packed) return 1;
    float *of_images = packed + p.blocks * p.packed, *rooms = of_images + s.n * image_size;
    pack(terms, taps, s, p, packed);
    memset(of_images, 0, s.n * image_size * sizeof(float));
    function *convolve = s.stride == 1 ? OF_SIZE(s.k, CONVOLVE_1) : OF_SIZE(s.k, CONVOLVE_2);
    int64_t tasks = s.n * p.groups;
    PARALLEL for (int t = 0; t < threads; t++) {
        float *room = rooms + t * p.thread, *zeros = room + p.group * p.block, *found = zeros + p.wide;
        memset(room, 0, (p.group * p.block + p.wide) * sizeof(float));
        for (int64_t task = tasks * t / threads; task < tasks * (t + 1) / threads; task++) {
            int64_t first = task % p.groups * p.group, last = least(p.blocks, first + p.group), done = 0;
            const float *image = x + task / p.groups * s.h * s.w * s.c;
            float *output = y + task / p.groups * s.ho * s.wo * s.c;
            float *of_image = of_images + task / p.groups * image_size, *origins = of_image + 4 * wide;
            double *sums = (double *)of_image;
            for (int64_t top = 0; top < s.ho; top += p.band) {
                int64_t end = least(s.ho, top + p.band), need = least(s.h, (end - 1) * s.stride - p.pad + s.k);
                for (int64_t b = first; b < last; b++) {
                    int64_t j = b * LANES, m = least(LANES, s.c - j), back = (first - b) * LANES;
                    int64_t ahead = b + 1 < last ? LANES : (need - done) * s.w * s.c + back;
                    float *ring = room + (b - first) * p.block;
                    const float *own = packed + b * p.packed, *rows[7];
                    for (int64_t iy = done; iy < need; iy++)
                        activate(image + iy * s.w * s.c + j, own, s.w, s.c, m, ahead,
                                 ring + iy % p.ring * p.wide + p.pad * LANES, NULL);
                    ahead = b + 1 < last ? LANES : p.band * s.wo * s.c + back;
                    vector sum = {0}, square = {0};
                    for (int64_t oy = top; oy < end; oy++) {
                        float *out = output + oy * s.wo * s.c + j;
                        for (int64_t ky = 0, iy = oy * s.stride - p.pad; ky < s.k; ky++, iy++)
                            rows[ky] = iy < 0 || iy >= s.h ? zeros : ring + iy % p.ring * p.wide;
                        prefetch_row(out + ahead, s.wo, s.c);
                        convolve(rows, own + 3 * LANES, found, s.wo);
                        if (oy == 0) AT(origins + j) = IN(found);
                        vector origin = IN(origins + j);
                        for (int64_t i = 0; i < s.wo; i++) {
                            vector v = IN(found + i * LANES), from = v - origin;
                            store(out + i * s.c, v, m);
                            sum += from, square += from * from;
                        }
                    }
                    for (int l = 0; l < LANES; l++) sums[j + l] += sum[l], sums[wide + j + l] += square[l];
                }
                done = need;
            }
        }
    }
    double pixels = (double)(s.ho * s.wo);
    for (int64_t j = 0; j < s.c; j++) {
        double mean = 0.0, var = 0.0;
        for (int64_t n = 0; n < s.n; n++)
            mean += of_images[n * image_size + 4 * wide + j] + ((double *)(of_images + n * image_size))[j] / pixels;
        mean /= s.n;
        for (int64_t n = 0; n < s.n; n++) {
            const double *sums = (double *)(of_images + n * image_size);
            double from = of_images[n * image_size + 4 * wide + j] - mean;
            var += (sums[wide + j] + 2.0 * from * sums[j]) / pixels + from * from;
        }
        moments[j] = mean, moments[s.c + j] = var / s.n;
    }
    free(packed);
    return 0;
}

/* d: the gradient of a x + o. sums: (2, c) of d and of d (x - mean). out: the kernels' gradient (k, k, c). If there are
   factors (4, c), the output's gradient is that of its norm: f0 g + f1 (y - f3) + f2. */
static int backward(const float *g, const float *y, const float *factors, const float *x, const float *terms,
                    const float *taps, float *d, double *sums, float *out, shape s, row_function *activate,
                    int threads) {
    int64_t parts = least(s.n, PARTS);
    plan p = make_plan(s, 2, 1, parts, threads);
    int64_t norms = p.blocks * LANES * p.taps, part_size = norms + 4 * p.blocks * LANES; /* doubles take two each */
    float *packed = make_room(p.blocks * p.packed + parts * part_size + p.thread * threads);
    if (!packed) return 1;
    float *found_of = packed + p.blocks * p.packed, *rooms = found_of + parts * part_size;
    pack(terms, taps, s, p, packed);
    int64_t factor = (3 + 2 * p.taps) * LANES;
    for (int64_t j = 0; factors && j < p.blocks * LANES; j++)
        for (int f = 0; f < 4; f++)
            packed[j / LANES * p.packed + factor + f * LANES + j % LANES] = j < s.c ? factors[f * s.c + j] : 0.0f;
    memset(found_of, 0, parts * part_size * sizeof(float));
    function *gather = s.stride == 1 ? OF_SIZE(s.k, CONVOLVE_1) : OF_SIZE(s.k, SPREAD_2);
    function *weigh = s.stride == 1 ? OF_SIZE(s.k, WEIGH_1) : OF_SIZE(s.k, WEIGH_2);
    int64_t tasks = parts * p.groups;
    PARALLEL for (int t = 0; t < threads; t++) {
        float *room = rooms + t * p.thread, *zeros = room + p.group * p.block, *found = zeros + p.wide + LANES;
        memset(room, 0, (p.group * p.block + p.wide) * sizeof(float));
        for (int64_t task = tasks * t / threads; task < tasks * (t + 1) / threads; task++) {
            int64_t part = task / p.groups, first = task % p.groups * p.group, last = least(p.blocks, first + p.group);
            float *of_taps = found_of + part * part_size;
            double *of_norm = (double *)(of_taps + norms);
            for (int64_t n = s.n * part / parts; n < s.n * (part + 1) / parts; n++) {
                int64_t start = n * s.ho * s.wo * s.c;
                const float *image = x + n * s.h * s.w * s.c;
                float *gradient = d + n * s.h * s.w * s.c;
                int64_t done = 0, had = 0; /* rows that are activated, and those whose gradient is there */
                for (int64_t top = 0; top < s.ho; top += p.band) {
                    int64_t end = least(s.ho, top + p.band), need = least(s.h, (end - 1) * s.stride - p.pad + s.k);
                    int64_t ready = end == s.ho ? s.h : most(had, end * s.stride - p.pad);
                    for (int64_t b = first; b < last; b++) {
                        int64_t j = b * LANES, m = least(LANES, s.c - j), back = (first - b) * LANES;
                        int64_t ahead = b + 1 < last ? LANES : (need - done) * s.w * s.c + back;
                        float *ring = room + (b - first) * p.block, *slopes = ring + p.ring * p.wide;
                        float *grads = slopes + p.ring * p.wide;
                        const float *own = packed + b * p.packed, *rows[8];
                        for (int64_t iy = done; iy < need; iy++)
                            activate(image + iy * s.w * s.c + j, own, s.w, s.c, m, ahead,
                                     ring + iy % p.ring * p.wide + p.pad * LANES, slopes + iy % p.ring * p.wide);
                        ahead = b + 1 < last ? LANES : (end - top) * s.wo * s.c + back;
                        for (int64_t oy = top; oy < end; oy++) {
                            const float *from = g + start + oy * s.wo * s.c + j, *f = own + factor;
                            float *grad = grads + oy % p.g_ring * p.narrow + p.pad * LANES;
                            prefetch_row(from + ahead, s.wo, s.c);
                            for (int64_t i = 0; i < s.wo; i++) AT(grad + i * LANES) = load(from + i * s.c, m);
                            if (factors) {
                                const float *at = y + (from - g);
                                prefetch_row(at + ahead, s.wo, s.c);
                                for (int64_t i = 0; i < s.wo; i++) {
                                    vector centred = load(at + i * s.c, m) - IN(f + 3 * LANES);
                                    AT(grad + i * LANES) = IN(f) * IN(grad + i * LANES) + IN(f + LANES) * centred
                                                           + IN(f + 2 * LANES);
                                }
                            }
                            for (int64_t ky = 0, iy = oy * s.stride - p.pad; ky < s.k; ky++, iy++)
                                rows[ky] = iy < 0 || iy >= s.h ? zeros : ring + iy % p.ring * p.wide;
                            weigh(rows, grad, of_taps + b * LANES * p.taps, s.wo);
                        }
                        vector sum = {0}, moment = {0}, mean = IN(own + 2 * LANES);
                        ahead = b + 1 < last ? LANES : (ready - had) * s.w * s.c + back;
                        for (int64_t iy = had; iy < ready; iy++) {
                            const float *from = image + iy * s.w * s.c + j, *slope = slopes + iy % p.ring * p.wide;
                            float *to = gradient + iy * s.w * s.c + j;
                            int64_t odd = s.stride == 1 ? 0 : (iy + p.pad) % 2, count = 0;
                            for (int64_t k = odd; k < s.k; k += s.stride, count++) { /* rows of g that it went into */
                                int64_t oy = s.stride == 1 ? iy - p.pad + k : (iy + p.pad - k) / 2;
                                rows[count] = oy < 0 || oy >= s.ho ? zeros : grads + oy % p.g_ring * p.narrow;
                                if (s.stride == 2) rows[count] += p.pad * LANES;
                            }
                            rows[count] = NULL;
                            prefetch_row(to + ahead, s.w, s.c);
                            gather(rows, own + (s.stride == 1 ? 3 + p.taps : 3 + odd * s.k) * LANES, found, s.w);
                            for (int64_t i = 0; i < s.w; i++) {
                                vector one = IN(found + i * LANES) * IN(slope + i * LANES);
                                store(to + i * s.c, one, m);
                                sum += one, moment += one * (load(from + i * s.c, m) - mean);
                            }
                        }
                        for (int l = 0; l < LANES; l++)
                            of_norm[j + l] += sum[l], of_norm[p.blocks * LANES + j + l] += moment[l];
                    }
                    done = need, had = ready;
                }
            }
        }
    }
    for (int64_t j = 0; j < s.c; j++) {
        const float *of_taps = found_of + j / LANES * LANES * p.taps + j % LANES, *of_norm = found_of + norms;
        for (int64_t k = 0; k < p.taps; k++) {
            double total = 0.0;
            for (int64_t part = 0; part < parts; part++) total += of_taps[part * part_size + k * LANES];
            out[k * s.c + j] = (float)total;
        }
        for (int64_t row = 0; row < 2; row++) {
            sums[row * s.c + j] = 0.0;
            for (int64_t part = 0; part < parts; part++)
                sums[row * s.c + j] += ((const double *)(of_norm + part * part_size))[row * p.blocks * LANES + j];
        }
    }
    free(packed);
    return 0;
}

#define SIZES int64_t n, int64_t h, int64_t w, int64_t ho, int64_t wo, int64_t c, int64_t k, int64_t stride, int threads
#define BOTH(ACT)                                                                                                      \
int depthwise_forward_##ACT(const float *x, const float *terms, const float *taps, float *y, double *moments, SIZES) { \
    return forward(x, terms, taps, y, moments, (shape){n, h, w, ho, wo, c, k, stride}, row_##ACT, threads);            \
}                                                                                                                      \
int depthwise_backward_##ACT(const float *g, const float *y, const float *factors, const float *x, const float *terms, \
                             const float *taps, float *d, double *sums, float *out, SIZES) {                           \
    return backward(g, y, factors, x, terms, taps, d, sums, out, (shape){n, h, w, ho, wo, c, k, stride}, row_##ACT,    \
                    threads);                                                                                          \
}
ACTIVATIONS(BOTH)
