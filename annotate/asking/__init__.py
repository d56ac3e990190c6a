"""Language models that the deployment names, and how one is asked. People choose a name, never an address."""
