#include "actors/user/user.h"
#include "broker/main.h"

int
main(int argc, char **argv)
{
    return nm_main(argc, argv, &nm_user_role);
}
