// Weights in their original storage, eight neighbouring elements (a group) at a time. STORAGE says how a matrix is stored
// in words, as loom_py/runtime/webgpu/storage.py writes it: float32; float16 and bfloat16 in pairs; Q8_0, Q4_0, Q4_1 as
// blocks of 32, that is four groups, with the quants together (8 words a block, or 4) and the scales (d, or d and m, as
// float16) apart from them. The defaults below are never reached.
//: enumeration storage STORAGE

struct Eight { low: vec4<f32>, high: vec4<f32> }

// Index of a group's first (or only) vector of quants.
fn vector_of(group: u32) -> u32 {
    switch STORAGE {
        case F32 { return 2u * group; }
        case F16, BF16 { return group; }
        case Q8_0 { return group / 2u; }
        case Q4_0, Q4_1 { return group / 4u; }
        default { return 0u; }
    }
}

// The word with its scale, for a storage in blocks.
fn scale_of(group: u32) -> u32 {
    return select(group / 8u, group / 4u, STORAGE == Q4_1);
}

// The scale of the group's block, which shares a word with that of its neighbour.
fn own_scale(scale: u32, group: u32) -> f32 {
    let d = unpack2x16float(scale);
    return select(d.x, d.y, (group & 4u) == 4u);
}

fn bytes(word: u32) -> vec4<f32> {
    return vec4<f32>(vec4<i32>(vec4<u32>(word << 24u, word << 16u, word << 8u, word)) >> vec4<u32>(24u));
}

fn nibbles(word: u32) -> vec4<f32> {
    return vec4<f32>((vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(15u));
}

// The two words of a group among the quants of one or two blocks.
fn words_of(first: vec4<u32>, group: u32) -> vec2<u32> {
    return select(first.xy, first.zw, (group & 1u) == 1u);
}

// The quants of four bits of a group: byte j holds elements j and j + 16.
fn quants_of(first: vec4<u32>, group: u32) -> vec2<u32> {
    return (words_of(first, group) >> vec2<u32>((group & 2u) * 2u)) & vec2<u32>(0x0f0f0f0fu);
}

// first and second: the vector of `vector_of` and the one after it, which only float32 needs.
fn widen(first: vec4<u32>, second: vec4<u32>, scale: u32, group: u32) -> Eight {
    switch STORAGE {
        case F32 { return Eight(bitcast<vec4<f32>>(first), bitcast<vec4<f32>>(second)); }
        case F16 {
            return Eight(
                vec4<f32>(unpack2x16float(first.x), unpack2x16float(first.y)),
                vec4<f32>(unpack2x16float(first.z), unpack2x16float(first.w)));
        }
        case BF16 {
            let even = bitcast<vec4<f32>>(first << vec4<u32>(16u));
            let odd = bitcast<vec4<f32>>(first & vec4<u32>(0xffff0000u));
            return Eight(vec4<f32>(even.x, odd.x, even.y, odd.y), vec4<f32>(even.z, odd.z, even.w, odd.w));
        }
        case Q8_0 {
            let d = own_scale(scale, group);
            let quants = words_of(first, group);
            return Eight(d * bytes(quants.x), d * bytes(quants.y));
        }
        case Q4_0 {
            let d = own_scale(scale, group);
            let quants = quants_of(first, group);
            return Eight(d * (nibbles(quants.x) - 8.0), d * (nibbles(quants.y) - 8.0));
        }
        case Q4_1 {
            let d = unpack2x16float(scale);
            let quants = quants_of(first, group);
            return Eight(d.x * nibbles(quants.x) + d.y, d.x * nibbles(quants.y) + d.y);
        }
        default { return Eight(); }
    }
}
