// f(z), or g * f'(z), for the activation KIND: its place in the table of the NumPy kernels.
//: include maths

override KIND: u32 = 0u;
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
        case 0u { return max(1.1 * z, 0.0); }                                       // relu, LOOM's scaled one
        case 1u { return sigmoid(z); }
        case 2u { return tanh_of(z); }
        case 3u { return softplus(z); }
        case 4u { return select(0.1 * z, z, z >= 0.0); }                            // leaky_relu
        case 5u { return z; }                                                       // linear
        case 6u { return max(z, 0.0); }                                             // plain_relu
        case 7u { return clamp(z, 0.0, 6.0); }                                      // relu6
        case 8u { return 0.5 * z * (1.0 + erf(z * 0.7071067811865476)); }           // gelu
        case 9u { return 0.5 * z * (1.0 + gelu_inner(z)); }                         // gelu_tanh
        case 10u { return z * sigmoid(z); }                                         // silu
        case 11u { return max(z, 0.0) + expm1(min(z, 0.0)); }                       // elu
        case 12u { return SELU_SCALE * (max(z, 0.0) + SELU_ALPHA * expm1(min(z, 0.0))); }
        case 13u { return z * tanh_of(softplus(z)); }                               // mish
        case 14u { return clamp(z / 6.0 + 0.5, 0.0, 1.0); }                         // hard_sigmoid
        case 15u { return z * clamp(z / 6.0 + 0.5, 0.0, 1.0); }                     // hard_swish
        default { return z / (1.0 + abs(z)); }                                      // softsign
    }
}

fn derivative(z: f32) -> f32 {
    switch KIND {
        case 0u { return select(0.0, 1.1, z > 0.0); }
        case 1u { let s = sigmoid(z); return s * (1.0 - s); }
        case 2u { let t = tanh_of(z); return 1.0 - t * t; }
        case 3u { return sigmoid(z); }
        case 4u { return select(0.1, 1.0, z >= 0.0); }
        case 5u { return 1.0; }
        case 6u { return select(0.0, 1.0, z > 0.0); }
        case 7u { return select(0.0, 1.0, z > 0.0 && z < 6.0); }
        case 8u {
            let bell = exp(-0.5 * min(z * z, 170.0));
            return 0.5 * (1.0 + erf(z * 0.7071067811865476)) + z * 0.3989422804014327 * bell;
        }
        case 9u {
            let c = clamp(z, -30.0, 30.0);
            let t = gelu_inner(c);
            return 0.5 * (1.0 + t) + 0.5 * c * (1.0 - t * t) * 0.7978845608028654 * (1.0 + 0.134145 * c * c);
        }
        case 10u { let s = sigmoid(z); return s * (1.0 + z * (1.0 - s)); }
        case 11u { return select(expm1(min(z, 0.0)) + 1.0, 1.0, z >= 0.0); }
        case 12u { return SELU_SCALE * select(SELU_ALPHA * (expm1(min(z, 0.0)) + 1.0), 1.0, z >= 0.0); }
        case 13u { let t = tanh_of(softplus(z)); return t + z * (1.0 - t * t) * sigmoid(z); }
        case 14u { return select(0.0, 1.0 / 6.0, z > -3.0 && z < 3.0); }
        case 15u { return select(select(0.0, z / 3.0 + 0.5, z > -3.0), 1.0, z >= 3.0); }
        default { let d = 1.0 + abs(z); return 1.0 / (d * d); }
    }
}

@compute @workgroup_size(256)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < p.n; i += groups.x * 256u) { out[i] = value(z[i]); }
}

@compute @workgroup_size(256)
fn backward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < p.n; i += groups.x * 256u) { out[i] = g[i] * derivative(z[i]); }
}
