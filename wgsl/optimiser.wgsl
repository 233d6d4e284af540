// Updates in place of the weights w (n) by the gradient g: one entry point for each kernel, by its name. Tensors and numbers
// have the names of the kernel's parameters (kernels/optimiser.py), or of what is derived from them there. Dynamic numbers,
// and those derived from them, are indices into `dynamics`; the others are values.

struct P {
    n: u32, learning_rate: u32, momentum: f32, fresh: f32, nesterov: u32,
    beta1: f32, beta2: f32, fresh1: f32, fresh2: f32, correction1: u32, correction2: u32, epsilon: f32, weight_decay: f32, alpha: f32,
}
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> dynamics: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> g: array<f32>;
@group(0) @binding(3) var<storage, read_write> w: array<f32>;
@group(0) @binding(4) var<storage, read_write> m: array<f32>;
@group(0) @binding(5) var<storage, read_write> v: array<f32>;
@group(0) @binding(6) var<storage, read_write> velocity: array<f32>;
@group(0) @binding(7) var<storage, read_write> buffer: array<f32>;

fn number(slot: u32) -> f32 { return bitcast<f32>(dynamics[slot].x); }

@compute @workgroup_size(256)
fn sgd_step(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let rate = number(p.learning_rate);
    for (var i = id.x; i < p.n; i += groups.x * 256u) { w[i] -= rate * g[i]; }
}

// fresh = 1 - dampening
@compute @workgroup_size(256)
fn sgd_momentum_step(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let rate = number(p.learning_rate);
    for (var i = id.x; i < p.n; i += groups.x * 256u) {
        let moving = p.momentum * velocity[i] + p.fresh * g[i];
        velocity[i] = moving;
        w[i] -= rate * select(moving, g[i] + p.momentum * moving, p.nesterov != 0u);
    }
}

// The corrections are 1 / (1 - beta^step), fresh1 and fresh2 are 1 - beta.
@compute @workgroup_size(256)
fn adamw_step(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let rate = number(p.learning_rate);
    let correction1 = number(p.correction1);
    let correction2 = number(p.correction2);
    for (var i = id.x; i < p.n; i += groups.x * 256u) {
        let first = p.beta1 * m[i] + p.fresh1 * g[i];
        let second = p.beta2 * v[i] + p.fresh2 * g[i] * g[i];
        m[i] = first;
        v[i] = second;
        w[i] -= rate * (first * correction1 / (sqrt(second * correction2) + p.epsilon) + p.weight_decay * w[i]);
    }
}

// fresh = 1 - alpha
@compute @workgroup_size(256)
fn rmsprop_step(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let rate = number(p.learning_rate);
    for (var i = id.x; i < p.n; i += groups.x * 256u) {
        let second = p.alpha * v[i] + p.fresh * g[i] * g[i];
        v[i] = second;
        w[i] -= rate * g[i] / sqrt(second + p.epsilon);
    }
}

@compute @workgroup_size(256)
fn rmsprop_step_and_buffer(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let rate = number(p.learning_rate);
    for (var i = id.x; i < p.n; i += groups.x * 256u) {
        let second = p.alpha * v[i] + p.fresh * g[i] * g[i];
        v[i] = second;
        let change = p.momentum * buffer[i] + g[i] / sqrt(second + p.epsilon);
        buffer[i] = change;
        w[i] -= rate * change;
    }
}
