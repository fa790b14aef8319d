#include "actors/email/email.h"
#include "broker/main.h"

int
main(int argc, char **argv)
{
    return nm_main_with_effects(argc, argv, &nm_email_role, &nm_curl_effects);
}
