/// Allocations of heap memory that the calling thread has made so far. Linked into a program, this replaces
/// malloc and its kin; there is nothing of it but with glibc.
long inkflow_allocations_of_this_thread(void);
