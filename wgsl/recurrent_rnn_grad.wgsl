// Backpropagation through an RNN, last step to first: gz_t = (gh_t + W' gz_{t+1}) (1 - h_t^2), gh0 = W' gz_0.
// A step more than the sequence has: step s is t = steps - 1 - s, and the last one makes gh0.

const IN: u32 = 1u;
const OUT: u32 = 1u;
//: include recurrent
@group(0) @binding(2) var<storage, read> h: array<f32>;
@group(0) @binding(3) var<storage, read> gh: array<f32>;
@group(0) @binding(4) var<storage, read_write> gz: array<f32>;
@group(0) @binding(5) var<storage, read_write> gh0: array<f32>;

fn length(s: u32) -> u32 { return select(p.size, 0u, s == 0u); }

fn state(sample: u32, i: u32, s: u32) -> f32 {
    return gz[(sample * p.steps + p.steps - s) * p.size + i];
}

fn cell(sample: u32, unit: u32, s: u32, z: vec4<f32>) -> vec4<f32> {
    if (s == p.steps) {
        gh0[sample * p.size + unit] = z.x;
        return z;
    }
    let at = (sample * p.steps + p.steps - 1u - s) * p.size + unit;
    let value = (gh[at] + z.x) * (1.0 - h[at] * h[at]);
    gz[at] = value;
    return vec4<f32>(value);
}
