// The `count` most likely of softmax(x) in each row of x (rows, experts), the first among equals first: ids and out
// (rows, count). With `normalised` the probabilities of a row are divided by their sum. An invocation has a row.

struct P { rows: u32, experts: u32, count: u32, normalised: u32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> ids: array<i32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn route(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var row = id.x; row < p.rows; row += groups.x * 64u) {
        let start = row * p.experts;
        var most = x[start];
        for (var e = 1u; e < p.experts; e++) { most = max(most, x[start + e]); }
        var total = 0.0;
        for (var e = 0u; e < p.experts; e++) { total += exp(x[start + e] - most); }
        var chosen = 0.0;
        var last = 0u;
        for (var i = 0u; i < p.count; i++) {
            var best = p.experts;
            for (var e = 0u; e < p.experts; e++) {
                let value = x[start + e];
                let before = x[start + last];
                if (i > 0u && (value > before || (value == before && e <= last))) { continue; }
                if (best == p.experts || value > x[start + best]) { best = e; }
            }
            last = min(best, p.experts - 1u);
            let probability = exp(x[start + last] - most) / total;
            ids[row * p.count + i] = i32(last);
            out[row * p.count + i] = probability;
            chosen += probability;
        }
        for (var i = 0u; p.normalised != 0u && i < p.count; i++) { out[row * p.count + i] /= chosen; }
    }
}
