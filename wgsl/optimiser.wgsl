// Updates in place of the weights w (n) by the gradient g. `dynamics` holds numbers that change from step to step.

struct P { n: u32, rate: u32, correction1: u32, correction2: u32, a: f32, b: f32, epsilon: f32, c: f32, flag: u32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> dynamics: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> g: array<f32>;
@group(0) @binding(3) var<storage, read_write> w: array<f32>;
@group(0) @binding(4) var<storage, read_write> m: array<f32>;
@group(0) @binding(5) var<storage, read_write> v: array<f32>;

fn number(slot: u32) -> f32 { return bitcast<f32>(dynamics[slot].x); }

@compute @workgroup_size(256)
fn sgd(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let rate = number(p.rate);
    for (var i = id.x; i < p.n; i += groups.x * 256u) { w[i] -= rate * g[i]; }
}

// a: momentum, b: 1 - dampening, flag: Nesterov
@compute @workgroup_size(256)
fn sgd_momentum(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let rate = number(p.rate);
    for (var i = id.x; i < p.n; i += groups.x * 256u) {
        let velocity = p.a * v[i] + p.b * g[i];
        v[i] = velocity;
        w[i] -= rate * select(velocity, g[i] + p.a * velocity, p.flag != 0u);
    }
}

// a: beta1, b: beta2, c: decay; the corrections are 1 / (1 - beta^step)
@compute @workgroup_size(256)
fn adamw(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let rate = number(p.rate);
    let correction1 = number(p.correction1);
    let correction2 = number(p.correction2);
    for (var i = id.x; i < p.n; i += groups.x * 256u) {
        let first = p.a * m[i] + (1.0 - p.a) * g[i];
        let second = p.b * v[i] + (1.0 - p.b) * g[i] * g[i];
        m[i] = first;
        v[i] = second;
        w[i] -= rate * (first * correction1 / (sqrt(second * correction2) + p.epsilon) + p.c * w[i]);
    }
}

// a: alpha, b: momentum, flag: with the buffer m
@compute @workgroup_size(256)
fn rmsprop(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let rate = number(p.rate);
    for (var i = id.x; i < p.n; i += groups.x * 256u) {
        let second = p.a * v[i] + (1.0 - p.a) * g[i] * g[i];
        v[i] = second;
        w[i] -= rate * g[i] / sqrt(second + p.epsilon);
    }
}

@compute @workgroup_size(256)
fn rmsprop_momentum(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let rate = number(p.rate);
    for (var i = id.x; i < p.n; i += groups.x * 256u) {
        let second = p.a * v[i] + (1.0 - p.a) * g[i] * g[i];
        v[i] = second;
        let change = p.b * m[i] + g[i] / sqrt(second + p.epsilon);
        m[i] = change;
        w[i] -= rate * change;
    }
}
