// i, f, o = sigmoid(z), g = tanh(z), z = zx_t + W h_{t-1}; c_t = f c_{t-1} + i g; h_t = o tanh(c_t) (Hochreiter & Schmidhuber
// 1997): zx, gates (batch, steps, 4 size), h, c (batch, steps, size), h0, c0 (batch, size). The matrix is W'.

const IN: u32 = 1u;
const OUT: u32 = 4u;
//: include recurrent
@group(0) @binding(2) var<storage, read> zx: array<f32>;
@group(0) @binding(3) var<storage, read> h0: array<f32>;
@group(0) @binding(4) var<storage, read> c0: array<f32>;
@group(0) @binding(5) var<storage, read_write> h: array<f32>;
@group(0) @binding(6) var<storage, read_write> c: array<f32>;
@group(0) @binding(7) var<storage, read_write> gates: array<f32>;

fn length(s: u32) -> u32 { return p.size; }

fn state(sample: u32, i: u32, s: u32) -> f32 {
    if (s == 0u) { return h0[sample * p.size + i]; }
    return h[(sample * p.steps + s - 1u) * p.size + i];
}

fn cell(sample: u32, unit: u32, s: u32, z: vec4<f32>) -> vec4<f32> {
    let row = sample * p.steps + s;
    let at = 4u * row * p.size + unit;
    let i = sigmoid(zx[at] + z.x);
    let f = sigmoid(zx[at + p.size] + z.y);
    let g = tanh_of(zx[at + 2u * p.size] + z.z);
    let o = sigmoid(zx[at + 3u * p.size] + z.w);
    var before = 0.0;  // the unit's own, from its own invocation
    if (s == 0u) { before = c0[sample * p.size + unit]; } else { before = c[(row - 1u) * p.size + unit]; }
    let now = f * before + i * g;
    let value = o * tanh_of(now);
    gates[at] = i;
    gates[at + p.size] = f;
    gates[at + 2u * p.size] = g;
    gates[at + 3u * p.size] = o;
    c[row * p.size + unit] = now;
    h[row * p.size + unit] = value;
    return vec4<f32>(value);
}
