/* Softmax down a tree: a leaf's probability is the product of the sibling softmaxes on its path. */
#include "vecmath.h"

static inline f32 exp1(f32 x) { return wasm_f32x4_extract_lane(exp4(splat(x)), 0); }
static inline f32 log1(f32 x) { return wasm_f32x4_extract_lane(log4(splat(x)), 0); }

/* Lists of lists: list i is members[starts[i]] … members[starts[i + 1]]. */
typedef struct {
    const i32 *starts, *members;
} Lists;
#define EACH_OF(j, lists, i) for (i32 j = (lists).starts[i]; j < (lists).starts[(i) + 1]; j++)

typedef struct {
    u32 nodes, leaves, depth, groups;
    const i32 *paths; /* (leaves, depth), padded with `nodes` */
    Lists in_group;   /* the nodes of each group of siblings */
    Lists below;      /* the leaves below each node; starts is 0 if every node has a logit of its own */
} Tree;

/* nodes, leaves, depth, groups, paths, group starts, group members, leaf starts (or 0), leaf members */
#define TREE_WORDS 9
static Tree tree_at(const Word *w) {
    return (Tree){w[0].u, w[1].u, w[2].u, w[3].u, ints(w[4]), {ints(w[5]), ints(w[6])}, {ints(w[7]), ints(w[8])}};
}

/* ln softmax of each node among its siblings, for one row of logits; logp[nodes] = 0 stands for the padding. */
static void node_logs(f32 *logp, const f32 *x, const Tree *tree) {
    for (u32 i = 0; i < tree->nodes; i++) {
        if (tree->below.starts) {
            f32 s = 0;
            EACH_OF(j, tree->below, i) s += x[tree->below.members[j]];
            logp[i] = s / (f32)(tree->below.starts[i + 1] - tree->below.starts[i]);
        } else {
            logp[i] = x[i];
        }
    }
    logp[tree->nodes] = 0;
    for (u32 g = 0; g < tree->groups; g++) {
        const i32 *node = tree->in_group.members;
        f32 top = -__builtin_inff(), sum = 0;
        EACH_OF(j, tree->in_group, g) top = logp[node[j]] > top ? logp[node[j]] : top;
        EACH_OF(j, tree->in_group, g) sum += exp1(logp[node[j]] - top);
        f32 all = log1(sum);
        EACH_OF(j, tree->in_group, g) logp[node[j]] = logp[node[j]] - top - all;
    }
}

/* y, x, rows, width of x, scratch (rows × (nodes + 1)), tree */
KERNEL(tree_softmax) {
    Tree tree = tree_at(w + 5);
    for (Range r = pieces(w[2].u, 1 + 256 / tree.nodes); take(t, &r);)
        for (u32 i = r.start; i < r.end; i++) {
            f32 *logp = floats(w[4]) + (size_t)i * (tree.nodes + 1), *y = floats(w[0]) + (size_t)i * tree.leaves;
            node_logs(logp, floats(w[1]) + (size_t)i * w[3].u, &tree);
            for (u32 leaf = 0; leaf < tree.leaves; leaf++) {
                f32 s = 0;
                for (u32 d = 0; d < tree.depth; d++) s += logp[tree.paths[leaf * tree.depth + d]];
                y[leaf] = exp1(s);
            }
        }
}

/* gx, x, y, g, rows, width of x, scratch (rows × 2 (nodes + 1)), tree */
KERNEL(tree_softmax_grad) {
    Tree tree = tree_at(w + 7);
    u32 nodes = tree.nodes;
    for (Range r = pieces(w[4].u, 1 + 256 / nodes); take(t, &r);)
        for (u32 i = r.start; i < r.end; i++) {
            f32 *logp = floats(w[6]) + (size_t)i * 2 * (nodes + 1), *gl = logp + nodes + 1;
            f32 *gx = floats(w[0]) + (size_t)i * w[5].u;
            const f32 *y = floats(w[2]) + (size_t)i * tree.leaves, *g = floats(w[3]) + (size_t)i * tree.leaves;
            node_logs(logp, floats(w[1]) + (size_t)i * w[5].u, &tree);
            memset(gl, 0, (nodes + 1) * sizeof(f32));
            for (u32 leaf = 0; leaf < tree.leaves; leaf++)
                for (u32 d = 0; d < tree.depth; d++) gl[tree.paths[leaf * tree.depth + d]] += g[leaf] * y[leaf];
            for (u32 k = 0; k < tree.groups; k++) {
                const i32 *node = tree.in_group.members;
                f32 sum = 0;
                EACH_OF(j, tree.in_group, k) sum += gl[node[j]];
                EACH_OF(j, tree.in_group, k) gl[node[j]] -= exp1(logp[node[j]]) * sum;
            }
            if (!tree.below.starts) {
                memcpy(gx, gl, nodes * sizeof(f32));
                continue;
            }
            memset(gx, 0, w[5].u * sizeof(f32));
            for (u32 k = 0; k < nodes; k++) {
                f32 share = gl[k] / (f32)(tree.below.starts[k + 1] - tree.below.starts[k]);
                EACH_OF(j, tree.below, k) gx[tree.below.members[j]] += share;
            }
        }
}
