// Weights in the storage they came in, eight neighbouring elements (a group) at a time. STORAGE says how a matrix lies
// in words, as loom_py/runtime/webgpu/storage.py laid it out: 0 float32, 1 float16 and 2 bfloat16 in pairs; 3 Q8_0,
// 4 Q4_0, 5 Q4_1: blocks of 32, that is four groups, with the quants together (8 words a block, or 4) and the scales (d,
// or d and m, as float16) apart from them.

override STORAGE: u32 = 0u;

struct Eight { low: vec4<f32>, high: vec4<f32> }

// Where a group is among the vectors of quants: the first, or the only one.
fn vector_of(group: u32) -> u32 {
    switch STORAGE {
        case 0u { return 2u * group; }
        case 1u, 2u { return group; }
        case 3u { return group / 2u; }
        default { return group / 4u; }
    }
}

// The word with its scale.
fn scale_of(group: u32) -> u32 {
    return select(group / 8u, group / 4u, STORAGE == 5u);
}

fn bytes(word: u32) -> vec4<f32> {
    return vec4<f32>(vec4<i32>(vec4<u32>(word << 24u, word << 16u, word << 8u, word)) >> vec4<u32>(24u));
}

fn nibbles(word: u32) -> vec4<f32> {
    return vec4<f32>((vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(15u));
}

// first and second: the vector of `vector_of` and the one after it, which only float32 needs.
fn widen(first: vec4<u32>, second: vec4<u32>, scale: u32, group: u32) -> Eight {
    switch STORAGE {
        case 0u { return Eight(bitcast<vec4<f32>>(first), bitcast<vec4<f32>>(second)); }
        case 1u {
            return Eight(
                vec4<f32>(unpack2x16float(first.x), unpack2x16float(first.y)),
                vec4<f32>(unpack2x16float(first.z), unpack2x16float(first.w)));
        }
        case 2u {
            let even = bitcast<vec4<f32>>(first << vec4<u32>(16u));
            let odd = bitcast<vec4<f32>>(first & vec4<u32>(0xffff0000u));
            return Eight(vec4<f32>(even.x, odd.x, even.y, odd.y), vec4<f32>(even.z, odd.z, even.w, odd.w));
        }
        default {}
    }
    let two = select(first.xy, first.zw, (group & 1u) == 1u);
    let d = unpack2x16float(scale);
    if (STORAGE == 3u) {
        let own = select(d.x, d.y, (group & 4u) == 4u);
        return Eight(own * bytes(two.x), own * bytes(two.y));
    }
    let quants = (two >> vec2<u32>((group & 2u) * 2u)) & vec2<u32>(0x0f0f0f0fu);  // byte j: elements j and j + 16
    if (STORAGE == 4u) {
        let own = select(d.x, d.y, (group & 4u) == 4u);
        return Eight(own * (nibbles(quants.x) - 8.0), own * (nibbles(quants.y) - 8.0));
    }
    return Eight(d.x * nibbles(quants.x) + d.y, d.x * nibbles(quants.y) + d.y);
}
