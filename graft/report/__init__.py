"""What a study found, for people: one offline HTML page, a model card, plots."""
