"""What a run needs beside its Program: the variable store."""
