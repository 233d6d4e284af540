// Sparsemax (Martins & Astudillo 2016), entmax (Peters et al. 2019) and their gradient over the last axis.
// x, g, out (rows, width); a workgroup takes a row at a time.
//: include maths
//: include workgroup

// factor = alpha - 1, exponent = 1 / factor, and floor: the largest threshold that surely gives too little
struct P { rows: u32, width: u32, factor: f32, exponent: f32, floor: f32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> g: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

var<workgroup> shared_count: f32;

fn peak_of(row: u32, lane: u32) -> f32 {
    var peak = LOWEST;
    for (var i = lane; i < p.width; i += GROUP) { peak = max(peak, x[row + i]); }
    return largest(peak, lane);
}

// max(x - tau, 0) by Michelot's method: tau is the mean excess over the support, until no value leaves it.
@compute @workgroup_size(128)
fn sparsemax(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
             @builtin(local_invocation_index) lane: u32) {
    for (var at = group.x; at < p.rows; at += groups.x) {
        let row = at * p.width;
        let peak = peak_of(row, lane);
        var tau = -1.0;  // relative to the peak; no support reaches further down
        var before = f32(p.width) + 1.0;
        loop {
            var sum = 0.0;
            var count = 0.0;
            for (var i = lane; i < p.width; i += GROUP) {
                let v = x[row + i] - peak;
                if (v > tau) {
                    sum += v;
                    count += 1.0;
                }
            }
            let inside = total(count, lane);
            tau = (total(sum, lane) - 1.0) / inside;
            if (lane == 0u) { shared_count = inside; }
            let now = workgroupUniformLoad(&shared_count);
            if (!(now > 0.0 && now < before)) { break; }  // among NaN and infinity the support is empty
            before = now;
        }
        for (var i = lane; i < p.width; i += GROUP) {
            let v = x[row + i] - peak - tau;
            out[row + i] = select(max(v, 0.0), v, is_nan(v));
        }
    }
}

// ln(1 - a) for 0 <= a < 1
fn log1m(a: f32) -> f32 {
    if (a < 0.5) { return -twice_artanh(a / (2.0 - a)); }
    return log(1.0 - a);
}

// max(1 - s - factor d, 0)^exponent or max(t - factor d, 0)^exponent, d the distance from the largest. For alpha below 1.5 the
// threshold is s, for otherwise the result would depend on the last digits of 1 - s; above, t, which may be tiny.
fn power_of(d: f32, threshold: f32) -> f32 {
    if (p.factor < 0.5) {
        let a = threshold + p.factor * d;
        if (a >= 1.0) { return 0.0; }
        return exp(p.exponent * log1m(a));
    }
    let rest = threshold - p.factor * d;
    if (rest <= 0.0) { return 0.0; }
    return exp(p.exponent * log(rest));
}

fn mass(row: u32, peak: f32, threshold: f32, lane: u32) -> f32 {
    var sum = 0.0;
    for (var i = lane; i < p.width; i += GROUP) { sum += power_of(min(peak - x[row + i], -LOWEST), threshold); }
    return total(sum, lane);
}

// The threshold by bisection, over s in 0 ... 1, or over t from `floor` to 1 in ratios; alpha is neither 1 nor 2.
@compute @workgroup_size(128)
fn entmax(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
          @builtin(local_invocation_index) lane: u32) {
    for (var at = group.x; at < p.rows; at += groups.x) {
        let row = at * p.width;
        let peak = peak_of(row, lane);
        let additive = p.factor < 0.5;
        var enough = select(1.0, 0.0, additive);  // the sum of powers is at least 1
        var little = select(p.floor, 1.0, additive);
        for (var round = 0u; round < 36u; round++) {
            let middle = select(sqrt(enough) * sqrt(little), 0.5 * (enough + little), additive);
            if (mass(row, peak, middle, lane) >= 1.0) { enough = middle; } else { little = middle; }
        }
        let sum = mass(row, peak, enough, lane);
        for (var i = lane; i < p.width; i += GROUP) {
            let y = power_of(min(peak - x[row + i], -LOWEST), enough) / sum;
            out[row + i] = select(y, x[row + i], is_nan(x[row + i]));
        }
    }
}

// x is the output of `sparsemax` or `entmax`: s (g - sum of s g / sum of s), s = x^(2 - alpha) = x^(1 - factor) where x > 0.
// s may be large: sums are taken in units of the largest, and g relative to the one that has it.
@compute @workgroup_size(128)
fn backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) lane: u32) {
    for (var at = group.x; at < p.rows; at += groups.x) {
        let row = at * p.width;
        var peak = LOWEST;
        for (var i = lane; i < p.width; i += GROUP) {
            if (x[row + i] > 0.0) { peak = max(peak, (1.0 - p.factor) * log(x[row + i])); }
        }
        peak = largest(peak, lane);
        var place = 0.0;
        for (var i = lane; i < p.width; i += GROUP) {
            if (x[row + i] > 0.0 && (1.0 - p.factor) * log(x[row + i]) >= peak) { place = f32(i); }
        }
        let middle = g[row + u32(largest(place, lane))];
        var sum = 0.0;
        var weighted = 0.0;
        for (var i = lane; i < p.width; i += GROUP) {
            if (x[row + i] > 0.0) {
                let s = exp((1.0 - p.factor) * log(x[row + i]) - peak);
                sum += s;
                weighted += s * (g[row + i] - middle);
            }
        }
        let mean = total(weighted, lane) / total(sum, lane);
        for (var i = lane; i < p.width; i += GROUP) {
            var y = 0.0;
            if (x[row + i] > 0.0) { y = exp((1.0 - p.factor) * log(x[row + i])) * (g[row + i] - middle - mean); }
            out[row + i] = y;
        }
    }
}
