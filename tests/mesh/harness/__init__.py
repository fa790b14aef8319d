"""What the whole-mesh tests are made of. None of it uses the code under test: the client speaks ZeroMQ and MessagePack
by itself, certificates are signed here, and what was delivered is judged by the outside alone."""
