// Root mean squares of rows of any float32, whose squares would overflow. The includer's workgroups have GROUP invocations.
//: include workgroup

const UNIT: f32 = 1.2089258196146292e24;  // 2^80
const LARGE: f32 = 2.81474976710656e14;  // 2^48
var<workgroup> pairs: array<vec2<f32>, GROUP>;

// v^2 where it belongs: in units of 1, and in units of UNIT^2 where it might overflow
fn square(v: f32) -> vec2<f32> {
    if (abs(v) > LARGE) { let q = v / UNIT; return vec2<f32>(0.0, q * q); }
    return vec2<f32>(v * v, 0.0);
}

// 1 / sqrt(mean + eps) as two factors, from every lane's sum of squares
fn inverse_root(sums: vec2<f32>, width: u32, eps: f32, lane: u32) -> vec2<f32> {
    pairs[lane] = sums;
    workgroupBarrier();
    for (var half = GROUP / 2u; half > 0u; half /= 2u) {
        if (lane < half) { pairs[lane] += pairs[lane + half]; }
        workgroupBarrier();
    }
    let mean = pairs[0] / f32(width);
    workgroupBarrier();
    if (mean.y == 0.0) { return vec2<f32>(1.0, 1.0 / sqrt(mean.x + eps)); }
    let root = sqrt(mean.y);
    let ratio = sqrt(mean.x) / UNIT / root;
    return vec2<f32>(1.0 / UNIT, 1.0 / (root * sqrt(1.0 + ratio * ratio)));
}
