module github.com/holdfast-oauth/holdfast

go 1.26
