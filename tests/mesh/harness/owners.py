"""Which gateway owns an idempotency key, worked out from wire/PROTOCOL.md alone."""

import hashlib
import struct

MASK = (1 << 64) - 1


def siphash(key, text):
    """SipHash-2-4, its result as 8 bytes in the order in which it is written down."""
    k0, k1 = struct.unpack("<QQ", key)
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]

    def turn(x, bits):
        return ((x << bits) | (x >> (64 - bits))) & MASK

    def rounds(count):
        for _ in range(count):
            v[0] = (v[0] + v[1]) & MASK
            v[1] = turn(v[1], 13) ^ v[0]
            v[0] = turn(v[0], 32)
            v[2] = (v[2] + v[3]) & MASK
            v[3] = turn(v[3], 16) ^ v[2]
            v[0] = (v[0] + v[3]) & MASK
            v[3] = turn(v[3], 21) ^ v[0]
            v[2] = (v[2] + v[1]) & MASK
            v[1] = turn(v[1], 17) ^ v[2]
            v[2] = turn(v[2], 32)

    whole = len(text) // 8 * 8
    words = [struct.unpack("<Q", text[i:i + 8])[0] for i in range(0, whole, 8)]
    words.append(int.from_bytes(text[whole:], "little") | (len(text) & 255) << 56)
    for word in words:
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xFF
    rounds(4)
    return struct.pack("<Q", v[0] ^ v[1] ^ v[2] ^ v[3])


def owner(authority, service, numbers, key):
    """authority: 32 bytes; service: a UUID; numbers: of all gateways."""
    point = hashlib.blake2b(service.bytes + key.encode(), digest_size=16, key=authority).digest()
    return max(numbers, key=lambda number: (int.from_bytes(siphash(point, struct.pack(">Q", number)), "big"), -number))
