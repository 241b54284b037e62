"""What a run reads from the network: fetched ahead on one machine, demanded before work starts."""
