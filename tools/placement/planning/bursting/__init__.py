"""What waits and fits nowhere here, on what clouds offer: within a ceiling of cost, and under the same law."""
