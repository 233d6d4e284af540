// Philox 2x32-10 (Salmon et al. 2011), as runtime/philox.py: the first word for the counter (element, step).
fn philox(seed: u32, step: u32, element: u32) -> u32 {
    var left = element;
    var right = step;
    var key = seed;
    for (var round = 0u; round < 10u; round++) {
        let low = (left & 0xffffu) * 0xd193u;
        let middle1 = (left >> 16u) * 0xd193u + (low >> 16u);
        let middle2 = (left & 0xffffu) * 0xd256u + (middle1 & 0xffffu);
        let high = (left >> 16u) * 0xd256u + (middle1 >> 16u) + (middle2 >> 16u);
        let next = high ^ key ^ right;
        right = left * 0xd256d193u;
        left = next;
        key += 0x9e3779b9u;
    }
    return left;
}
