// Backpropagation through an LSTM, last step to first: gz (batch, steps, 4 size), gh0, gc0 (batch, size).
// A step more than the sequence has: step s is t = steps - 1 - s, and the last one makes gh0. Between steps gc0 has gc.

const IN: u32 = 4u;
const OUT: u32 = 1u;
//: include recurrent
@group(0) @binding(2) var<storage, read> c: array<f32>;
@group(0) @binding(3) var<storage, read> c0: array<f32>;
@group(0) @binding(4) var<storage, read> gates: array<f32>;
@group(0) @binding(5) var<storage, read> gh: array<f32>;
@group(0) @binding(6) var<storage, read_write> gz: array<f32>;
@group(0) @binding(7) var<storage, read_write> gh0: array<f32>;
@group(0) @binding(8) var<storage, read_write> gc0: array<f32>;

fn length(s: u32) -> u32 { return select(4u * p.size, 0u, s == 0u); }

fn state(sample: u32, i: u32, s: u32) -> f32 {
    return gz[(sample * p.steps + p.steps - s) * 4u * p.size + i];
}

fn cell(sample: u32, unit: u32, s: u32, z: vec4<f32>) -> vec4<f32> {
    let own = sample * p.size + unit;
    if (s == p.steps) {
        gh0[own] = z.x;
        return z;
    }
    let row = sample * p.steps + p.steps - 1u - s;
    let at = 4u * row * p.size + unit;
    let i = gates[at];
    let f = gates[at + p.size];
    let g = gates[at + 2u * p.size];
    let o = gates[at + 3u * p.size];
    var before = 0.0;
    if (s + 1u == p.steps) { before = c0[own]; } else { before = c[(row - 1u) * p.size + unit]; }
    let tanh_c = tanh_of(c[row * p.size + unit]);
    let grad_h = gh[row * p.size + unit] + z.x;
    var grad_c = grad_h * o * (1.0 - tanh_c * tanh_c);
    if (s > 0u) { grad_c += gc0[own]; }
    let value = vec4<f32>(
        grad_c * g * i * (1.0 - i), grad_c * before * f * (1.0 - f), grad_c * i * (1.0 - g * g),
        grad_h * tanh_c * o * (1.0 - o),
    );
    for (var e = 0u; e < IN; e++) { gz[at + e * p.size] = value[e]; }
    gc0[own] = grad_c * f;
    return value;
}
