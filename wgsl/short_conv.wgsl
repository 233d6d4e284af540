// Causal depthwise convolution over a sequence that comes in parts: out[t] = sum over j of weight[j] * row[t + j].
// The rows are the taps - 1 rows of `state`, then x (steps, channels); weight (channels, taps). An invocation has a channel:
// it computes all its steps, then keeps its last taps - 1 rows in the state.

struct P { steps: u32, channels: u32, taps: u32, has_bias: u32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> state: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;

fn row(i: u32, c: u32) -> f32 {
    if (i < p.taps - 1u) { return state[i * p.channels + c]; }
    return x[(i + 1u - p.taps) * p.channels + c];
}

@compute @workgroup_size(64)
fn convolve(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var c = id.x; c < p.channels; c += groups.x * 64u) {
        for (var t = 0u; t < p.steps; t++) {
            var sum = 0.0;
            if (p.has_bias != 0u) { sum = bias[c]; }
            for (var j = 0u; j < p.taps; j++) { sum += weight[c * p.taps + j] * row(t + j, c); }
            out[t * p.channels + c] = sum;
        }
        for (var i = 0u; i + 1u < p.taps; i++) { state[i * p.channels + c] = row(p.steps + i, c); }
    }
}
