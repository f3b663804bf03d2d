"""One module per framework; each is a program that `serve` makes a worker of."""
