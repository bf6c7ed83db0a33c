/* Wrong on purpose: a shared library that never heard of ecert. */
extern __attribute__((visibility("default"))) int add(int a, int b);

int add(int a, int b)
{
    return a + b;
}
