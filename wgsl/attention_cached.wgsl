// What the gradient of attention over a cache does to rows of `width` scores, one a query head and query of `steps`.
// Query t sees cache rows up to position + t, with `window` > 0 the last `window` of them; with `cap` > 0 scores are capped.
//: include maths
//: include workgroup

struct P { rows: u32, width: u32, steps: u32, position: u32, window: u32, cap: f32, scale: f32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> dynamics: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read> slopes: array<f32>;
@group(0) @binding(4) var<storage, read_write> slopes_out: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;

// Scores become probabilities, 0 where nothing is seen; slopes_out: of the capped scores by the others, where there is a cap.
@compute @workgroup_size(128)
fn softmax(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_index) lane: u32) {
    for (var at = group.x; at < p.rows; at += groups.x) {
        let row = at * p.width;
        let end = min(dynamics[p.position].y + at % p.steps + 1u, p.width);
        let start = select(0u, end - p.window, p.window > 0u && end > p.window);
        var peak = LOWEST;
        for (var i = start + lane; i < end; i += GROUP) {
            if (p.cap > 0.0) {
                let bent = tanh_of(out[row + i] / p.cap);
                slopes_out[row + i] = 1.0 - bent * bent;
                out[row + i] = p.cap * bent;
            }
            peak = max(peak, out[row + i]);
        }
        peak = largest(peak, lane);
        var sum = 0.0;
        for (var i = start + lane; i < end; i += GROUP) {
            let e = exp(out[row + i] - peak);
            out[row + i] = e;
            sum += e;
        }
        sum = total(sum, lane);
        // In the order of above, so that an invocation reads what it wrote.
        for (var i = start + lane; i < end; i += GROUP) { out[row + i] /= sum; }
        for (var i = lane; i < start; i += GROUP) { out[row + i] = 0.0; }
        for (var i = end + lane; i < p.width; i += GROUP) { out[row + i] = 0.0; }
    }
}

// out, the gradients of the probabilities, become those of the scores before the cap.
@compute @workgroup_size(128)
fn backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) lane: u32) {
    for (var at = group.x; at < p.rows; at += groups.x) {
        let row = at * p.width;
        var dot = 0.0;
        for (var i = lane; i < p.width; i += GROUP) { dot += weights[row + i] * out[row + i]; }
        dot = total(dot, lane);
        for (var i = lane; i < p.width; i += GROUP) {
            var g = 0.0;
            if (weights[row + i] > 0.0) {
                g = p.scale * weights[row + i] * (out[row + i] - dot);
                if (p.cap > 0.0) { g *= slopes[row + i]; }
            }
            out[row + i] = g;
        }
    }
}
