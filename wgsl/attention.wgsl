// Causal grouped-query attention over a cache, with the running softmax of FlashAttention (Dao et al. 2022).
// q, out (T, heads, D); keys, values (capacity, kv, D). Row t sees cache rows 0 ... position + t.
// With `window` > 0 a row sees the last `window` of them only; with `cap` > 0 scores s are cap tanh(s / cap).
// A workgroup takes one query row and head and a piece of the cache; tiles of keys and values go through workgroup memory.
// `whole` writes the result; where few queries would leave the GPU idle, `part` writes (maximum, sum, D weighted values)
// of each of `parts` pieces, and `join` combines them.

struct P { heads: u32, kv: u32, size: u32, position: u32, parts: u32, scale: f32, window: u32, cap: f32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> dynamics: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> q: array<f32>;
@group(0) @binding(3) var<storage, read> keys: array<f32>;
@group(0) @binding(4) var<storage, read> values: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
@group(0) @binding(6) var<storage, read> spans: array<vec2<i32>>;

const GROUP: u32 = 64u;
const TILE_FLOATS: u32 = 3072u;
const LARGEST_HEAD: u32 = 256u;
var<workgroup> tile: array<f32, TILE_FLOATS>;
var<workgroup> query: array<f32, LARGEST_HEAD>;
var<workgroup> scores: array<f32, GROUP>;
var<workgroup> sum: array<vec4<f32>, GROUP>;  // of each invocation's elements: at lane, lane + 64, + 128, + 192

// The first row that the last of `end` may see.
fn window_start(end: u32) -> u32 { return select(0u, end - p.window, p.window > 0u && end > p.window); }

// (maximum, sum of weights) over rows `start ... end - 1`; the weighted values are in `sum`.
fn run(row: u32, head: u32, start: u32, end: u32, lane: u32) -> vec2<f32> {
    let pitch = p.size + 1u;  // one more, so that columns fall into different banks
    let rows = min(TILE_FLOATS / pitch, GROUP);
    let shared_head = head / (p.heads / p.kv);
    for (var d = lane; d < p.size; d += GROUP) { query[d] = q[(row * p.heads + head) * p.size + d] * p.scale; }
    var peak = -3.4e38;
    var weight = 0.0;
    var acc = vec4<f32>();
    for (var first = start; first < end; first += rows) {
        let count = min(rows, end - first);
        workgroupBarrier();
        for (var i = lane; i < count * p.size; i += GROUP) {
            tile[i / p.size * pitch + i % p.size] = keys[((first + i / p.size) * p.kv + shared_head) * p.size + i % p.size];
        }
        workgroupBarrier();
        var score = -3.4e38;
        if (lane < count) {
            score = 0.0;
            for (var d = 0u; d < p.size; d++) { score += query[d] * tile[lane * pitch + d]; }
            // Beyond 20 the hyperbolic tangent is 1 to the last bit, and some drivers overflow in it.
            if (p.cap > 0.0) { score = p.cap * tanh(clamp(score / p.cap, -20.0, 20.0)); }
        }
        scores[lane] = score;
        workgroupBarrier();
        var higher = peak;
        for (var i = 0u; i < count; i++) { higher = max(higher, scores[i]); }
        let shrink = exp(peak - higher);
        workgroupBarrier();
        scores[lane] = select(0.0, exp(score - higher), lane < count);
        for (var i = lane; i < count * p.size; i += GROUP) {
            tile[i] = values[((first + i / p.size) * p.kv + shared_head) * p.size + i % p.size];
        }
        workgroupBarrier();
        weight *= shrink;
        acc *= shrink;
        for (var i = 0u; i < count; i++) {
            let w = scores[i];
            weight += w;
            for (var j = 0u; j * GROUP + lane < p.size; j++) { acc[j] += w * tile[i * p.size + j * GROUP + lane]; }
        }
        peak = higher;
    }
    sum[lane] = acc;
    return vec2<f32>(peak, weight);
}

@compute @workgroup_size(64)
fn whole(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let end = dynamics[p.position].y + group.y + 1u;
    let result = run(group.y, group.x, window_start(end), end, lane);
    for (var j = 0u; j * GROUP + lane < p.size; j++) {
        out[(group.y * p.heads + group.x) * p.size + j * GROUP + lane] = sum[lane][j] / result.y;
    }
}

// keys, values (T, kv, D); row t sees the rows spans[t].x ... spans[t].y - 1, and without any it gives zeros.
@compute @workgroup_size(64)
fn spanned(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32,
           @builtin(num_workgroups) groups: vec3<u32>) {
    let span = clamp(spans[group.y], vec2<i32>(0), vec2<i32>(i32(groups.y)));
    let start = u32(span.x);
    let result = run(group.y, group.x, start, max(start, u32(span.y)), lane);
    for (var j = 0u; j * GROUP + lane < p.size; j++) {
        let mean = select(0.0, sum[lane][j] / result.y, result.y > 0.0);
        out[(group.y * p.heads + group.x) * p.size + j * GROUP + lane] = mean;
    }
}

@compute @workgroup_size(64)
fn part(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let end = dynamics[p.position].y + group.y + 1u;
    let start = window_start(end);
    let length = (end - start + p.parts - 1u) / p.parts;
    let first = min(start + group.z * length, end);
    let result = run(group.y, group.x, first, min(first + length, end), lane);
    let at = ((group.y * p.heads + group.x) * p.parts + group.z) * (p.size + 2u);
    for (var j = 0u; j * GROUP + lane < p.size; j++) { out[at + 2u + j * GROUP + lane] = sum[lane][j]; }
    if (lane == 0u) {
        out[at] = result.x;
        out[at + 1u] = result.y;
    }
}

// q: what `part` wrote
@compute @workgroup_size(64)
fn join(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.y * p.heads + group.x;
    let pitch = p.size + 2u;
    var peak = -3.4e38;
    for (var i = 0u; i < p.parts; i++) { peak = max(peak, q[(row * p.parts + i) * pitch]); }
    var weight = 0.0;
    for (var i = 0u; i < p.parts; i++) {
        let at = (row * p.parts + i) * pitch;
        weight += exp(q[at] - peak) * q[at + 1u];
    }
    for (var d = lane; d < p.size; d += GROUP) {
        var value = 0.0;
        for (var i = 0u; i < p.parts; i++) {
            let at = (row * p.parts + i) * pitch;
            value += exp(q[at] - peak) * q[at + 2u + d];
        }
        out[row * p.size + d] = value / weight;
    }
}
