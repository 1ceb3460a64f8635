"""What `load_demo` loads: people, stock, list entries, and some weeks of history that the sandbox remembers too."""
