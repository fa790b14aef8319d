#include "actors/gateway/gateway.h"
#include "broker/main.h"

int
main(int argc, char **argv)
{
    return nm_main(argc, argv, &nm_gateway_role);
}
