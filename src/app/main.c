#include <stdio.h>

int main(void)
{
	puts("nanu " NANU_VERSION);
	return 0;
}
