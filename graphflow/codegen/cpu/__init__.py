"""Code for the CPU: loop IR becomes LLVM IR with explicit vectors."""
