#include "tests/sim/dice.h"

#include <sodium.h>

uint64_t
sim_dice(sim_dice_t *self)
{
    uint64_t value = self->state += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

uint64_t
sim_dice_below(sim_dice_t *self, uint64_t count)
{
    return count ? sim_dice(self) % count : 0;
}

int64_t
sim_dice_between(sim_dice_t *self, int64_t least, int64_t most)
{
    return least + (int64_t) sim_dice_below(self, (uint64_t) (most - least) + 1);
}

bool
sim_dice_odds(sim_dice_t *self, unsigned per_mille)
{
    return per_mille && sim_dice_below(self, 1000) < per_mille;
}

//  -- libsodium's randomness. It asks for no context, so the die is the process's.

static sim_dice_t s_sodium;

static const char *
s_name(void)
{
    return "simulated";
}

static uint32_t
s_random(void)
{
    return (uint32_t) sim_dice(&s_sodium);
}

static void
s_stir(void)
{
}

static void
s_fill(void *const at, const size_t size)
{
    uint8_t *out = at;
    for (size_t done = 0; done < size; done += 8) {
        uint64_t value = sim_dice(&s_sodium);
        memcpy(out + done, &value, size - done < 8 ? size - done : 8);
    }
}

static int
s_close(void)
{
    return 0;
}

void
sim_dice_take_over(void)
{
    static struct randombytes_implementation seeded = {
        .implementation_name = s_name, .random = s_random, .stir = s_stir, .buf = s_fill, .close = s_close
    };
    if (randombytes_set_implementation(&seeded) != 0 || sodium_init() < 0) {
        fprintf(stderr, "nmesh-sim: libsodium does not start\n");
        abort();
    }
}

void
sim_dice_sow(uint64_t seed)
{
    s_sodium.state = seed;
}
