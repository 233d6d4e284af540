// The next token from logits (n), as the NumPy kernel `sample` describes. `score` makes keys: the penalised score as an
// integer of the same order. `choose`, one workgroup, then walks down the tokens in order (key down, index up) without
// sorting: a position in that order is found bit by bit, from the number of tokens, or the probability, before it.
//: include philox

struct P { n: u32, temperature: u32, top_k: u32, top_p: u32, min_p: u32, penalty: u32, seed: u32, step: u32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> dynamics: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> logits: array<f32>;
@group(0) @binding(3) var<storage, read> seen: array<u32>;
@group(0) @binding(4) var<storage, read> keys: array<u32>;
@group(0) @binding(5) var<storage, read_write> out: array<u32>;

const GROUP: u32 = 256u;
var<workgroup> lanes: array<f32, GROUP>;
var<workgroup> best: array<vec2<u32>, GROUP>;
var<workgroup> uniform_total: f32;
var<workgroup> uniform_best: vec2<u32>;

fn number(slot: u32) -> f32 { return bitcast<f32>(dynamics[slot].x); }

@compute @workgroup_size(256)
fn score(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let penalty = number(p.penalty);
    for (var i = id.x; i < p.n; i += groups.x * GROUP) {
        var s = logits[i];
        if (seen[i] != 0u) { s = select(s * penalty, s / penalty, s > 0.0); }
        let bits = select(bitcast<u32>(s), 0u, s == 0.0);  // treats -0 as 0
        out[i] = select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
    }
}

// The cut: tokens down to (key, index) that are at least `floor` times as likely as the first.
struct Cut { key: u32, index: u32, peak: f32, temperature: f32, floor: f32 }

fn mass(key: u32, c: Cut) -> f32 {
    let bits = select(~key, key & 0x7fffffffu, (key >> 31u) == 1u);
    return exp((bitcast<f32>(bits) - c.peak) / c.temperature);
}

fn total(value: f32, lane: u32) -> f32 {
    lanes[lane] = value;
    workgroupBarrier();
    for (var half = GROUP / 2u; half > 0u; half /= 2u) {
        if (lane < half) { lanes[lane] += lanes[lane + half]; }
        workgroupBarrier();
    }
    if (lane == 0u) { uniform_total = lanes[0]; }
    return workgroupUniformLoad(&uniform_total);
}

// Of the tokens within the cut down to (key, index): how many, or their probability in units of the first's.
fn before(c: Cut, key: u32, index: u32, counting: bool, lane: u32) -> f32 {
    var sum = 0.0;
    for (var i = lane; i < p.n; i += GROUP) {
        let k = keys[i];
        if ((k > key || (k == key && i <= index)) && (k > c.key || (k == c.key && i <= c.index))) {
            let m = mass(k, c);
            if (m >= c.floor) { sum += select(m, 1.0, counting); }
        }
    }
    return total(sum, lane);
}

fn enough(value: f32, limit: f32, beyond: bool) -> bool { return value > limit || (!beyond && value == limit); }

// The first position at which `before` reaches or exceeds `limit`.
fn walk(c: Cut, limit: f32, beyond: bool, counting: bool, lane: u32) -> vec2<u32> {
    var key = 0u;
    for (var bit = 0x80000000u; bit > 0u; bit >>= 1u) {
        if (enough(before(c, key | bit, 0xffffffffu, counting, lane), limit, beyond)) { key |= bit; }
    }
    var index = 0u;  // one less than the number of tokens of this key that are needed, by their index
    for (var bit = 0x80000000u >> countLeadingZeros(p.n); bit > 0u; bit >>= 1u) {
        if (!enough(before(c, key, index + bit - 1u, counting, lane), limit, beyond)) { index += bit; }
    }
    return vec2<u32>(key, min(index, p.n - 1u));
}

// A number in (0, 1)
fn draw(seed: u32, step: u32) -> f32 {
    return (f32(philox(seed, step, 0u) >> 9u) + 0.5) * 1.1920928955078125e-7;
}

@compute @workgroup_size(256)
fn choose(@builtin(local_invocation_index) lane: u32) {
    var first = vec2<u32>(0u, 0u);
    for (var i = lane; i < p.n; i += GROUP) { if (keys[i] > first.x) { first = vec2<u32>(keys[i], i); } }
    best[lane] = first;
    workgroupBarrier();
    for (var half = GROUP / 2u; half > 0u; half /= 2u) {
        if (lane < half) {
            let other = best[lane + half];
            if (other.x > best[lane].x || (other.x == best[lane].x && other.y < best[lane].y)) { best[lane] = other; }
        }
        workgroupBarrier();
    }
    if (lane == 0u) { uniform_best = best[0]; }
    let top = workgroupUniformLoad(&uniform_best);
    if (number(p.temperature) == 0.0) {
        if (lane == 0u) { out[0] = top.y; }
        return;
    }
    let bits = select(~top.x, top.x & 0x7fffffffu, (top.x >> 31u) == 1u);
    // Colder than 1e-30 changes nothing, and its quotients may leave float32, where WGSL promises no infinity.
    var c = Cut(0u, p.n, bitcast<f32>(bits), max(number(p.temperature), 1e-30), 0.0);
    let k = dynamics[p.top_k].y;
    var place = vec2<u32>(0u, p.n);
    if (k > 0u && k < p.n) { place = walk(c, f32(k), false, true, lane); }
    c.key = place.x;
    c.index = place.y;
    let whole = before(c, 0u, p.n, false, lane);
    if (number(p.top_p) < 1.0) {
        place = walk(c, max(number(p.top_p), 1e-9) * whole, false, false, lane);
        c.key = place.x;
        c.index = place.y;
    }
    c.floor = number(p.min_p);
    let kept = before(c, 0u, p.n, false, lane);
    place = walk(c, draw(dynamics[p.seed].y, dynamics[p.step].y) * kept, true, false, lane);
    if (lane == 0u) { out[0] = place.y; }
}

@compute @workgroup_size(256)
fn mark(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x < p.n) { out[keys[id.x]] = 1u; }
}
