// f(z), or g * f'(z), on n elements for the activation KIND. The defaults below are never reached.
//: include maths
//: enumeration activation KIND

struct P { n: u32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read> g: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

const SELU_ALPHA: f32 = 1.6732632423543772;
const SELU_SCALE: f32 = 1.0507009873554805;

fn gelu_inner(z: f32) -> f32 {
    let c = clamp(z, -30.0, 30.0);
    return tanh_of(0.7978845608028654 * (c + 0.044715 * c * c * c));
}

fn value(z: f32) -> f32 {
    switch KIND {
        case RELU { return max(1.1 * z, 0.0); }  // LOOM's scaled one
        case SIGMOID { return sigmoid(z); }
        case TANH { return tanh_of(z); }
        case SOFTPLUS { return softplus(z); }
        case LEAKY_RELU { return select(0.1 * z, z, z >= 0.0); }
        case LINEAR { return z; }
        case PLAIN_RELU { return max(z, 0.0); }
        case RELU6 { return clamp(z, 0.0, 6.0); }
        case GELU { return 0.5 * z * (1.0 + erf(z * 0.7071067811865476)); }
        case GELU_TANH { return 0.5 * z * (1.0 + gelu_inner(z)); }
        case SILU { return z * sigmoid(z); }
        case ELU { return max(z, 0.0) + expm1(min(z, 0.0)); }
        case SELU { return SELU_SCALE * (max(z, 0.0) + SELU_ALPHA * expm1(min(z, 0.0))); }
        case MISH { return z * tanh_of(softplus(z)); }
        case HARD_SIGMOID { return clamp(z / 6.0 + 0.5, 0.0, 1.0); }
        case HARD_SWISH { return z * clamp(z / 6.0 + 0.5, 0.0, 1.0); }
        case SOFTSIGN { return z / (1.0 + abs(z)); }
        case HARD_TANH { return clamp(z, -1.0, 1.0); }
        default { return 0.0; }
    }
}

fn derivative(z: f32) -> f32 {
    switch KIND {
        case RELU { return select(0.0, 1.1, z > 0.0); }
        case SIGMOID { let s = sigmoid(z); return s * (1.0 - s); }
        case TANH { let t = tanh_of(z); return 1.0 - t * t; }
        case SOFTPLUS { return sigmoid(z); }
        case LEAKY_RELU { return select(0.1, 1.0, z >= 0.0); }
        case LINEAR { return 1.0; }
        case PLAIN_RELU { return select(0.0, 1.0, z > 0.0); }
        case RELU6 { return select(0.0, 1.0, z > 0.0 && z < 6.0); }
        case GELU {
            let c = clamp(z, -13.0, 13.0);
            return 0.5 * (1.0 + erf(z * 0.7071067811865476)) + c * 0.3989422804014327 * exp(-0.5 * c * c);
        }
        case GELU_TANH {
            let c = clamp(z, -30.0, 30.0);
            let t = gelu_inner(c);
            return 0.5 * (1.0 + t) + 0.5 * c * (1.0 - t * t) * 0.7978845608028654 * (1.0 + 0.134145 * c * c);
        }
        case SILU { let s = sigmoid(z); return s * (1.0 + z * (1.0 - s)); }
        case ELU { return select(expm1(min(z, 0.0)) + 1.0, 1.0, z >= 0.0); }
        case SELU { return SELU_SCALE * select(SELU_ALPHA * (expm1(min(z, 0.0)) + 1.0), 1.0, z >= 0.0); }
        case MISH { let t = tanh_of(softplus(z)); return t + z * (1.0 - t * t) * sigmoid(z); }
        case HARD_SIGMOID { return select(0.0, 1.0 / 6.0, z > -3.0 && z < 3.0); }
        case HARD_SWISH { return select(select(0.0, z / 3.0 + 0.5, z > -3.0), 1.0, z >= 3.0); }
        case SOFTSIGN { let d = 1.0 + abs(z); return 1.0 / (d * d); }
        case HARD_TANH { return select(0.0, 1.0, z > -1.0 && z < 1.0); }
        default { return 0.0; }
    }
}

@compute @workgroup_size(256)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < p.n; i += groups.x * 256u) {
        let x = z[i];
        out[i] = select(value(x), x, is_nan(x));
    }
}

@compute @workgroup_size(256)
fn backward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < p.n; i += groups.x * 256u) { out[i] = g[i] * derivative(z[i]); }
}
