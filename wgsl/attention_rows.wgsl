// What attention over whole sequences does to rows of `width` scores, in place. Row r belongs to position r mod `steps`.
//: include workgroup

struct P { rows: u32, width: u32, steps: u32, causal: u32, scale: f32, first: u32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> weights: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

// Softmax; with `causal` over those up to the row's position, and the others are 0, whatever they were.
@compute @workgroup_size(128)
fn softmax(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_index) lane: u32) {
    for (var at = group.x; at < p.rows; at += groups.x) {
        let row = at * p.width;
        let seen = select(p.width, at % p.steps + 1u, p.causal != 0u);
        var peak = LOWEST;
        for (var i = lane; i < seen; i += GROUP) { peak = max(peak, out[row + i]); }
        peak = largest(peak, lane);
        var sum = 0.0;
        for (var i = lane; i < seen; i += GROUP) {
            let e = exp(out[row + i] - peak);
            out[row + i] = e;
            sum += e;
        }
        sum = total(sum, lane);
        for (var i = lane; i < p.width; i += GROUP) { out[row + i] = select(0.0, out[row + i] / sum, i < seen); }
    }
}

// The gradient of the probabilities becomes that of the scores. Row `first` of weights belongs to row 0 of out.
@compute @workgroup_size(128)
fn backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) lane: u32) {
    for (var at = group.x; at < p.rows; at += groups.x) {
        let row = at * p.width;
        let start = (p.first + at) * p.width;
        var dot = 0.0;
        for (var i = lane; i < p.width; i += GROUP) { dot += weights[start + i] * out[row + i]; }
        dot = total(dot, lane);
        for (var i = lane; i < p.width; i += GROUP) { out[row + i] = p.scale * weights[start + i] * (out[row + i] - dot); }
    }
}
