// The loss KIND, a mean over n = rows * width values, and its gradient. The defaults below are never reached.
// y, t (rows, width). For cross entropy on logits `rows` runs first: each row's ln(sum e^y) and sum of targets.
//: include maths
//: include workgroup
//: enumeration loss KIND

struct P { n: u32, width: u32, delta: f32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read> t: array<f32>;
@group(0) @binding(3) var<storage, read> row_sums: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read_write> row_sums_out: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;

const EPSILON: f32 = 1e-7;

// ln p, given p and q = 1 - p clamped to EPSILON, without losing q: ln(1 - q) = -2 artanh(q / (2 - q))
fn ln(p: f32, q: f32) -> f32 {
    if (p <= 0.5) { return log(max(p, EPSILON)); }
    let rest = max(q, EPSILON);
    return -twice_artanh(rest / (2.0 - rest));
}

fn value(i: u32) -> f32 {
    let d = y[i] - t[i];
    switch KIND {
        case MSE { return d * d; }
        case MAE { return abs(d); }
        case HUBER { let near = min(abs(d), p.delta); return near * (abs(d) - 0.5 * near); }
        case CROSS_ENTROPY { return -max(t[i], 0.0) * ln(y[i], 1.0 - y[i]); }
        case CROSS_ENTROPY_LOGITS { return -t[i] * (y[i] - row_sums[i / p.width].x); }
        case BCE { return -(t[i] * ln(y[i], 1.0 - y[i]) + (1.0 - t[i]) * ln(1.0 - y[i], y[i])); }
        case BCE_LOGITS { return softplus(y[i]) - y[i] * t[i]; }
        default { return 0.0; }
    }
}

fn slope(i: u32) -> f32 {
    let d = y[i] - t[i];
    switch KIND {
        case MSE { return d; }  // and below twice its share
        case MAE { return sign(d); }
        case HUBER { return clamp(d, -p.delta, p.delta); }
        case CROSS_ENTROPY { return -max(t[i], 0.0) / max(y[i], EPSILON); }
        case CROSS_ENTROPY_LOGITS { let row = row_sums[i / p.width]; return exp(y[i] - row.x) * row.y - t[i]; }
        case BCE {
            let c = max(y[i], EPSILON);
            let q = max(1.0 - y[i], EPSILON);
            return (min(c, 1.0 - EPSILON) - t[i]) / (min(c, 1.0) * min(q, 1.0));
        }
        case BCE_LOGITS { return sigmoid(y[i]) - t[i]; }
        default { return 0.0; }
    }
}

@compute @workgroup_size(128)
fn rows(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    for (var at = group.x; at < p.n / p.width; at += groups.x) {
        let row = at * p.width;
        var peak = LOWEST;
        for (var i = lane; i < p.width; i += GROUP) { peak = max(peak, y[row + i]); }
        peak = largest(peak, lane);
        var sum = 0.0;
        var targets = 0.0;
        for (var i = lane; i < p.width; i += GROUP) {
            sum += exp(y[row + i] - peak);
            targets += t[row + i];
        }
        sum = total(sum, lane);
        targets = total(targets, lane);
        if (lane == 0u) { row_sums_out[at] = vec2<f32>(peak + log(sum), targets); }
    }
}

@compute @workgroup_size(128)
fn mean(@builtin(local_invocation_index) lane: u32) {
    var sum = 0.0;
    for (var i = lane; i < p.n; i += GROUP) { sum += value(i) / f32(p.n); }
    let all = total(sum, lane);
    if (lane == 0u) { out[0] = all; }
}

@compute @workgroup_size(128)
fn gradient(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let share = select(1.0, 0.5, KIND == MSE) * f32(p.n);  // 2 d may overflow
    for (var i = id.x; i < p.n; i += groups.x * GROUP) { out[i] = slope(i) / share; }
}
