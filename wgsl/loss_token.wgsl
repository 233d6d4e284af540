// Cross-entropy of tokens with smoothing (Szegedy et al. 2016): z (rows, width), ids (rows). Rows without a valid id do not count.
// `rows`: each row's largest logit, ln of the sum of e^(z - it), loss, and 1 if it counts. `mean`: of the losses, and how many.
//: include workgroup

struct P { rows: u32, width: u32, smoothing: f32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read> ids: array<u32>;
@group(0) @binding(3) var<storage, read> g: array<f32>;
@group(0) @binding(4) var<storage, read> sums: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> count: array<f32>;
@group(0) @binding(6) var<storage, read_write> sums_out: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> count_out: array<f32>;
@group(0) @binding(8) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(128)
fn rows(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    for (var at = group.x; at < p.rows; at += groups.x) {
        let row = at * p.width;
        var peak = LOWEST;
        for (var i = lane; i < p.width; i += GROUP) { peak = max(peak, z[row + i]); }
        peak = largest(peak, lane);
        var sum = 0.0;
        var level = 0.0;
        for (var i = lane; i < p.width; i += GROUP) {
            sum += exp(z[row + i] - peak);
            level += (z[row + i] - peak) / f32(p.width);
        }
        sum = log(total(sum, lane));
        level = total(level, lane);
        if (lane == 0u) {
            var loss = vec2<f32>();
            if (ids[at] < p.width) {
                loss = vec2<f32>(sum - (1.0 - p.smoothing) * (z[row + ids[at]] - peak), 1.0);
                if (p.smoothing > 0.0) { loss.x -= p.smoothing * level; }
            }
            sums_out[at] = vec4<f32>(peak, sum, loss);
        }
    }
}

@compute @workgroup_size(128)
fn mean(@builtin(local_invocation_index) lane: u32) {
    var loss = 0.0;
    var counted = 0.0;
    for (var i = lane; i < p.rows; i += GROUP) {
        loss += sums[i].z;
        counted += sums[i].w;
    }
    let all = max(total(counted, lane), 1.0);
    let value = total(loss, lane) / all;
    if (lane == 0u) {
        out[0] = value;
        count_out[0] = all;
    }
}

// g (softmax(z) - (1 - smoothing) [at the id] - smoothing / width) / count
@compute @workgroup_size(128)
fn gradient(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let share = g[0] / count[0];
    for (var i = id.x; i < p.rows * p.width; i += groups.x * GROUP) {
        let row = i / p.width;
        let target_id = ids[row];
        var slope = 0.0;
        if (target_id < p.width) {
            slope = exp(z[i] - sums[row].x - sums[row].y) - p.smoothing / f32(p.width);
            if (i % p.width == target_id) { slope -= 1.0 - p.smoothing; }
        }
        out[i] = share * slope;
    }
}
