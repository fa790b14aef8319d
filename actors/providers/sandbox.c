#include "actors/providers/sandbox.h"

static nm_rc_t
s_open(void **config, const nm_zpl_t *node, const nm_mesh_t *mesh, nm_error_t *error)
{
    (void) node, (void) mesh, (void) error;
    *config = NULL;
    return NM_OK;
}

static void
s_close(void *config)
{
    (void) config;
}

static void
s_accept(void *arg, nm_result_t *result)
{
    (void) arg;
    result->call = NM_CALL_ANSWERED;
    result->code = 250;
    snprintf(result->text, sizeof result->text, "accepted by the sandbox");
}

static nm_rc_t
s_prepare(const void *config, const nm_order_t *order, nm_effect_t **effect, nm_error_t *error)
{
    (void) config, (void) error;
    *effect = nm_effect_new(NM_EFFECT_WORK, order->token, &order->delivery->notification);
    (*effect)->work = s_accept;
    return NM_OK;
}

static void
s_classify(const nm_result_t *result, nm_verdict_t *verdict)
{
    *verdict = (nm_verdict_t){
        .outcome = NM_OUTCOME_SENT,
        .code = result->code,
        .detail = nm_text(result->text),
        .retry_after_ms = -1,
    };
}

const nm_driver_t nm_sandbox_driver = {
    .kind = "sandbox",
    .channels = NM_CHANNEL_BIT(NM_CHANNEL_EMAIL) | NM_CHANNEL_BIT(NM_CHANNEL_PUSH) | NM_CHANNEL_BIT(NM_CHANNEL_SMS) |
                NM_CHANNEL_BIT(NM_CHANNEL_WHATSAPP),
    .open = s_open,
    .close = s_close,
    .prepare = s_prepare,
    .classify = s_classify,
};
