"""What a study's winner is worth on test data: gain, verdict, calibration, forgetting, cost."""
