#include "actors/bridge/bridge.h"
#include "actors/bridge/http.h"
#include "broker/main.h"

int
main(int argc, char **argv)
{
    return nm_main_with_front(argc, argv, &nm_bridge_role, &nm_http_front);
}
