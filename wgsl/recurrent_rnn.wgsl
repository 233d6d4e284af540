// h_t = tanh(zx_t + W h_{t-1}) (Elman 1990): zx, h (batch, steps, size), h0 (batch, size). The matrix is W'.

const IN: u32 = 1u;
const OUT: u32 = 1u;
//: include recurrent
@group(0) @binding(2) var<storage, read> zx: array<f32>;
@group(0) @binding(3) var<storage, read> h0: array<f32>;
@group(0) @binding(4) var<storage, read_write> h: array<f32>;

fn length(s: u32) -> u32 { return p.size; }

fn state(sample: u32, i: u32, s: u32) -> f32 {
    if (s == 0u) { return h0[sample * p.size + i]; }
    return h[(sample * p.steps + s - 1u) * p.size + i];
}

fn cell(sample: u32, unit: u32, s: u32, z: vec4<f32>) -> vec4<f32> {
    let at = (sample * p.steps + s) * p.size + unit;
    let value = tanh_of(zx[at] + z.x);
    h[at] = value;
    return vec4<f32>(value);
}
