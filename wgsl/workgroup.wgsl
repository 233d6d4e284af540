// Sums and maxima over a workgroup of GROUP invocations. All of them must call, and all get the result.

const GROUP: u32 = 128u;
const LOWEST: f32 = -3.4028234663852886e38;  // the smallest float32, where a maximum begins
var<workgroup> lanes: array<f32, GROUP>;

fn total(value: f32, lane: u32) -> f32 {
    lanes[lane] = value;
    workgroupBarrier();
    for (var half = GROUP / 2u; half > 0u; half /= 2u) {
        if (lane < half) { lanes[lane] += lanes[lane + half]; }
        workgroupBarrier();
    }
    let sum = lanes[0];
    workgroupBarrier();
    return sum;
}

fn largest(value: f32, lane: u32) -> f32 {
    lanes[lane] = value;
    workgroupBarrier();
    for (var half = GROUP / 2u; half > 0u; half /= 2u) {
        if (lane < half) { lanes[lane] = max(lanes[lane], lanes[lane + half]); }
        workgroupBarrier();
    }
    let peak = lanes[0];
    workgroupBarrier();
    return peak;
}
