// Functions that WGSL lacks, or whose precision it leaves open.
// Errors are a few units in the last place, also near zero.

// WGSL lets min, max and comparisons take NaN for any number; by its bits it cannot be missed.
fn is_nan(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

fn tanh_of(x: f32) -> f32 {
    if (is_nan(x)) { return x; }
    let a = min(abs(x), 20.0);
    if (a < 0.625) {  // S. L. Moshier, Cephes
        let z = x * x;
        let c = (((-5.70498872745e-3 * z + 2.06390887954e-2) * z - 5.37397155531e-2) * z + 1.33314422036e-1) * z;
        return (c - 3.33332819422e-1) * z * x + x;
    }
    return sign(x) * (1.0 - 2.0 / (exp(2.0 * a) + 1.0));
}

// e^-a for a >= 0; 0 where that is no normal number, so that z * decay(|z|) vanishes for large z too
fn decay(a: f32) -> f32 {
    return select(select(exp(-min(a, 87.0)), 0.0, a > 87.0), a, is_nan(a));
}

fn sigmoid(z: f32) -> f32 {
    let e = decay(abs(z));
    return select(e, 1.0, z >= 0.0) / (1.0 + e);
}

// 2 artanh(s) = ln((1 + s) / (1 - s)) for |s| <= 1/3
fn twice_artanh(s: f32) -> f32 {
    let q = s * s;
    let tail = 1.0 / 7.0 + q * (1.0 / 9.0 + q * (1.0 / 11.0 + q * (1.0 / 13.0)));
    return 2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (0.2 + q * tail)));
}

// ln(1 + x) for 0 <= x <= 1
fn log1p(x: f32) -> f32 { return twice_artanh(x / (2.0 + x)); }

// e^x - 1 for x <= 0
fn expm1(x: f32) -> f32 {
    if (x > -0.5) {
        let tail = 1.0 + x / 5.0 * (1.0 + x / 6.0 * (1.0 + x / 7.0 * (1.0 + x / 8.0)));
        return x * (1.0 + x / 2.0 * (1.0 + x / 3.0 * (1.0 + x / 4.0 * tail)));
    }
    return exp(max(x, -87.0)) - 1.0;
}

fn softplus(z: f32) -> f32 {
    return max(z, 0.0) + log1p(decay(abs(z)));
}

// M. Abramowitz & I. Stegun, 7.1.26
fn erf(x: f32) -> f32 {
    if (is_nan(x)) { return x; }
    let a = min(abs(x), 10.0);
    let t = 1.0 / (1.0 + 0.3275911 * a);
    let c = (((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592;
    return sign(x) * (1.0 - c * t * exp(-a * a));
}
