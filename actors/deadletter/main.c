#include "actors/deadletter/deadletter.h"
#include "broker/main.h"

int
main(int argc, char **argv)
{
    return nm_main(argc, argv, &nm_deadletter_role);
}
